/** Backends that run containers. The tools that are imported have one table for them; here each reads its own section only. */
export const ENGINES = ["docker", "podman"] as const;
export type Engine = (typeof ENGINES)[number];

/** What containers run on when nobody says so, in those tools too. */
export const USUAL_ENGINE: Engine = "docker";

export function engineNamed(backend: unknown): Engine | undefined {
  return ENGINES.find((engine) => engine === backend);
}
