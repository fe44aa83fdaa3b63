/** In: what an engine's command line says of a container by our template. Out: the container. Pure. */
import * as z from "zod";
import type { HostContainer } from "../model/host.ts";
import { parseJson } from "../model/json-text.ts";
import { IDENTITY_LABELS } from "../model/labels.ts";
import { COMPOSE_LABELS } from "./compose.ts";
import { fields, moment, short } from "./records.ts";

/** Template of the engines' command line: one JSON array a container. */
export function containerTemplate(labels: readonly string[]): string {
  const about = ["json .Id", "json .Name", "json .Created", "json .State.Status", "json .ExecIDs"];
  const asked = labels.map((key) => `json (index .Config.Labels ${JSON.stringify(key)})`);
  return `[${[...about, ...asked].map((each) => `{{${each}}}`).join(",")}]`;
}

/** Labels that are asked for; `extra` are those that a config names. */
export function askedLabels(extra: readonly string[]): readonly string[] {
  return [...new Set([...IDENTITY_LABELS, ...COMPOSE_LABELS, ...extra])];
}

const text = z.string();
const containerSchema = z
  .tuple([text, text, text.nullable(), text, z.array(text).nullable()])
  .rest(text.nullable());

export interface ToldContainer {
  readonly container: HostContainer;
  /** What the engine said, to compare with before it is removed. */
  readonly line: string;
}

/** Undefined for what is not as the template writes it. */
export function readContainer(rest: string, labels: readonly string[]): ToldContainer | undefined {
  const [engine = "", line = ""] = fields(rest, 2);
  const parsed = containerSchema.safeParse(parseJson(line));
  if (!parsed.success || !/^[0-9a-f]{12,64}$/.test(parsed.data[0])) {
    return undefined;
  }
  const [id, name, created, status, execs, ...values] = parsed.data;
  const found: Record<string, string> = {};
  labels.forEach((key, index) => {
    const value = values[index] ?? "";
    if (value !== "") found[key] = short(value);
  });
  const container = {
    engine: short(engine),
    object_id: id,
    name: short(name.replace(/^\//, "")),
    status: short(status),
    created_at: moment(Date.parse(created ?? "")),
    execs: execs?.length ?? 0,
    labels: found,
  };
  return { container, line };
}
