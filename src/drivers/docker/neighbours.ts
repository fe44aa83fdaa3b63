import { LABEL_PREFIX } from "../../model/labels.ts";
import { THIS_HOST } from "../../model/names.ts";
import type { ForeignObject } from "../../model/observed.ts";
import type { EngineName } from "./endpoint.ts";
import type { ListedContainer } from "./wire-container.ts";

interface Tool {
  readonly name: string;
  /** As `sandkeep import --from` calls it. */
  readonly product: string;
  readonly prefixes: readonly string[];
  /** Beginnings of the label names it writes. */
  readonly labels: readonly string[];
  /** What of its own takes its containers away. */
  readonly removal: string;
}

/** Sandbox tools whose configs can be imported. FluffBuzz stands first: it may write the labels of the one it came from. */
const TOOLS: readonly Tool[] = [
  {
    name: "FluffBuzz",
    product: "fluffbuzz",
    prefixes: ["fluffbuzz-sbx-"],
    labels: ["fluffbuzz."],
    removal: "turning its sandbox off",
  },
  {
    name: "OpenClaw",
    product: "openclaw",
    prefixes: ["openclaw-sbx-"],
    labels: ["openclaw."],
    removal: "turning its sandbox off",
  },
  {
    name: "bmux",
    product: "bmux",
    prefixes: ["bmux-sbx-"],
    labels: ["bmux."],
    removal: "`bmux sandbox cleanup`",
  },
  {
    name: "BMO",
    product: "bmo",
    prefixes: ["bmo-sandbox-", "bmo-sbx-"],
    labels: ["bmo."],
    removal: "ending its session",
  },
];

/** The engine that a container is on. */
export interface Place {
  readonly backend: EngineName;
  readonly host: string;
}

/**
 * A container that one of those tools made, told from the list that is asked for anyway: who made it and what to do. It is
 * foreign like any other, so it is never touched.
 */
export function neighbour(
  container: ListedContainer,
  name: string,
  { backend, host }: Place,
): ForeignObject | undefined {
  const hasLabel = (prefix: string): boolean =>
    Object.keys(container.Labels).some((key) => key.startsWith(prefix));
  // What an imported fleet makes may have its tool's prefix, or the labels of that tool's image.
  if (hasLabel(LABEL_PREFIX)) return undefined;
  const tool = TOOLS.find(
    ({ prefixes, labels }) => prefixes.some((prefix) => name.startsWith(prefix)) || labels.some(hasLabel),
  );
  if (tool === undefined) return undefined;
  // Left to itself, an engine's command line asks the engine of the machine that it is called on.
  const where = host === THIS_HOST ? "" : ` on host ${host}`;
  return {
    name,
    object_id: container.Id,
    why: `${tool.name} made it`,
    hint: `take its config over with \`sandkeep import --from ${tool.product} FILE\`; when nobody uses the container any more, remove it by ${tool.removal}, or with \`${backend} rm -f ${name}\`${where}`,
  };
}
