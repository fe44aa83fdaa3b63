import type { HostContainer, HostSnapshot } from "../model/host.ts";

/** Docker Compose writes the first of each pair, older podman-compose the second. */
const PROJECT = ["com.docker.compose.project", "io.podman.compose.project"] as const;
const FOLDER = "com.docker.compose.project.working_dir";

export const COMPOSE_LABELS: readonly string[] = [...PROJECT, FOLDER];

function composeProjectOf(labels: Readonly<Record<string, string>>): string | undefined {
  return PROJECT.map((key) => labels[key]).find((each) => each !== undefined);
}

/** Compose keeps no list of its own: a project is its containers. Sorted by engine and name. */
export function composeProjects(containers: readonly HostContainer[]): HostSnapshot["compose_projects"] {
  const projects = new Map<string, HostSnapshot["compose_projects"][number]>();
  for (const { engine, labels, status } of containers) {
    const project = composeProjectOf(labels);
    if (project === undefined) continue;
    const key = `${engine} ${project}`;
    const known = projects.get(key) ?? { engine, project, containers: 0, running: 0, folder: null };
    projects.set(key, {
      ...known,
      containers: known.containers + 1,
      running: known.running + (status === "running" ? 1 : 0),
      folder: known.folder ?? labels[FOLDER] ?? null,
    });
  }
  return [...projects.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}
