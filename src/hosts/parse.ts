/**
 * In: the bytes a host answered a look with. Out: the snapshot. Strict: an answer that is not whole is none, since what is
 * missing from it must not pass for what is not there. Every text of the host is cut to a length. Pure.
 */
import * as z from "zod";
import { SandkeepError } from "../errors.ts";
import type { Disk, HostContainer, HostDirectory, HostSnapshot } from "../model/host.ts";
import { parseJson } from "../model/json-text.ts";
import { IDENTITY_LABELS } from "../model/labels.ts";
import { composeProjects } from "./compose.ts";
import { readContainer } from "./containers.ts";
import { fields, moment, number, short, split, whole } from "./records.ts";

/** What the one who looked knows by itself. */
export type Looked = Pick<HostSnapshot, "host" | "taken_at" | "via" | "target" | "duration_ms">;

export interface Answer {
  readonly snapshot: HostSnapshot;
  /** What the engine said of each container, to compare with before it is removed; by id. */
  readonly told: ReadonlyMap<string, string>;
}

interface Draft {
  readonly one: Map<string, string>;
  readonly memory: Map<string, number>;
  readonly disks: Map<string, Disk>;
  readonly engines: HostSnapshot["engines"];
  readonly containers: HostContainer[];
  readonly told: Map<string, string>;
  readonly roots: HostSnapshot["roots"];
  readonly directories: HostDirectory[];
  readonly uses: string[];
  readonly mounts: string[];
  readonly notes: string[];
  left: number;
}

export function parseAnswer(bytes: Buffer, looked: Looked, labels: readonly string[]): Answer {
  const records = split(bytes);
  if (records[0]?.text !== "v\t1" || records.at(-1)?.text !== "end") throw notWhole(looked);
  const draft: Draft = {
    one: new Map(),
    memory: new Map(),
    disks: new Map(),
    engines: [],
    containers: [],
    told: new Map(),
    roots: [],
    directories: [],
    uses: [],
    mounts: [],
    notes: [],
    left: 0,
  };
  for (const { text } of records) take(draft, text, labels);
  if (draft.left > 0) draft.notes.push(`${String(draft.left)} things could not be read and are left out`);
  return { snapshot: snapshotOf(draft, looked), told: draft.told };
}

function take(draft: Draft, record: string, labels: readonly string[]): void {
  const tab = record.indexOf("\t");
  const kind = tab === -1 ? record : record.slice(0, tab);
  const rest = tab === -1 ? "" : record.slice(tab + 1);
  switch (kind) {
    case "disk":
    case "inodes":
      return takeDisk(draft, kind, rest);
    case "memory": {
      const [key = "", value] = rest.split("\t");
      draft.memory.set(key, whole(value) * 1024);
      return;
    }
    case "engine":
      return takeEngine(draft, rest);
    case "container": {
      const found = readContainer(rest, labels);
      if (found === undefined) draft.left += 1;
      else {
        draft.told.set(found.container.object_id, found.line);
        draft.containers.push(found.container);
      }
      return;
    }
    case "root":
    case "real":
      return takeRoot(draft, kind, rest);
    case "entry":
      return takeEntry(draft, rest);
    case "manifest.json":
    case "labels.json":
      return takeManifest(draft, kind, rest);
    case "use":
      draft.uses.push(rest);
      return;
    case "mount":
      draft.mounts.push(rest);
      return;
    case "note":
      draft.notes.push(short(rest));
      return;
    case "long":
      draft.left += 1;
      return;
    default:
      draft.one.set(kind, rest);
  }
}

const DF = /\s(\d{1,18})\s+\d{1,18}\s+(\d{1,18})\s+(?:\d+%|-)\s+(\/.*)$/;

function takeDisk(draft: Draft, kind: "disk" | "inodes", rest: string): void {
  const [what = "", line = ""] = fields(rest, 2);
  const [, total, free, mount = ""] = DF.exec(line) ?? [];
  if (total === undefined || free === undefined) return;
  const key = `${what} ${mount}`;
  if (kind === "disk") {
    const size = { total: whole(total) * 1024, available: whole(free) * 1024 };
    draft.disks.set(key, {
      what: short(what),
      mount: short(mount),
      ...size,
      inodes: null,
      inodes_free: null,
    });
    return;
  }
  const disk = draft.disks.get(key);
  // File systems that make inodes as they go tell of none.
  if (disk === undefined || whole(total) === 0) return;
  draft.disks.set(key, { ...disk, inodes: whole(total), inodes_free: whole(free) });
}

const filled = (text: string): string | null => (text === "" ? null : short(text));

function takeEngine(draft: Draft, rest: string): void {
  const [engine = "", said, version = "", root = "", message = ""] = fields(rest, 5);
  const status = said === "ready" || said === "absent" ? said : "unreachable";
  draft.engines.push({
    engine: short(engine),
    status,
    version: filled(version),
    root: filled(root),
    message: filled(message.split("\n")[0] ?? ""),
  });
}

function takeRoot(draft: Draft, kind: "root" | "real", rest: string): void {
  if (kind === "real") {
    const last = draft.roots.pop();
    if (last !== undefined) draft.roots.push({ ...last, real: rest });
    return;
  }
  const [said, path = ""] = fields(rest, 2);
  draft.roots.push({ path, real: null, status: said === "present" ? "present" : "absent" });
}

const KINDS = ["runtime", "directory", "link"] as const;

function takeEntry(draft: Draft, rest: string): void {
  const [said, identity = "", uid, newest, parent = "", name = ""] = fields(rest, 6);
  const kind = KINDS.find((each) => each === said);
  if (kind === undefined || name === "") {
    draft.left += 1;
    return;
  }
  draft.directories.push({
    kind,
    parent,
    name,
    identity,
    uid: whole(uid),
    changed_at: newest === undefined || newest === "" ? null : moment(whole(newest) * 1000),
    manifest: "none",
    labels: {},
    mounted: false,
    in_use: false,
  });
}

const manifestSchema = z.object({ labels: z.record(z.string(), z.string()) });

/** Of the folder told just before. Its second file counts only where the first cannot be read. */
function takeManifest(draft: Draft, file: "manifest.json" | "labels.json", rest: string): void {
  const last = draft.directories.at(-1);
  if (last === undefined || last.manifest === "whole") return;
  draft.directories.pop();
  const parsed = manifestSchema.safeParse(parseJson(rest));
  const labels: Record<string, string> = {};
  for (const key of IDENTITY_LABELS) {
    const value = parsed.data?.labels[key];
    if (value !== undefined) labels[key] = short(value);
  }
  const readable = Object.keys(labels).length > 0 && file === "manifest.json";
  draft.directories.push({ ...last, manifest: readable ? "whole" : "unreadable", labels });
}

function snapshotOf(draft: Draft, looked: Looked): HostSnapshot {
  const { one, memory } = draft;
  const [a, b, c] = (one.get("load") ?? "").split(" ").map((each) => number(each));
  const loads = [a, b, c].flatMap((each) => (each === undefined || each === null ? [] : [each]));
  const [one_m, five_m, fifteen_m] = loads;
  const total = memory.get("MemTotal:");
  const available = memory.get("MemAvailable:");
  return {
    ...looked,
    node: short(one.get("node") ?? ""),
    kernel: short(one.get("kernel") ?? ""),
    uid: whole(one.get("uid")),
    uptime_s: number(one.get("uptime")?.split(" ")[0]),
    cpus: number(one.get("cpus")),
    load:
      one_m === undefined || five_m === undefined || fifteen_m === undefined
        ? null
        : [one_m, five_m, fifteen_m],
    memory:
      total === undefined || available === undefined
        ? null
        : {
            total,
            available,
            swap_total: memory.get("SwapTotal:") ?? 0,
            swap_free: memory.get("SwapFree:") ?? 0,
          },
    processes: number(one.get("processes")),
    disks: [...draft.disks.values()],
    engines: draft.engines,
    containers: draft.containers,
    roots: draft.roots,
    directories: draft.directories.map((each) => ({ ...each, ...occupied(each, draft) })),
    compose_projects: composeProjects(draft.containers),
    notes: draft.notes,
  };
}

/** Elsewhere a mounted folder may go by another beginning, so that its last two names must do. */
function occupied(each: HostDirectory, { uses, mounts }: Draft): Pick<HostDirectory, "mounted" | "in_use"> {
  const path = `${each.parent}/${each.name}`;
  const tail = `/${each.parent.split("/").at(-1) ?? ""}/${each.name}`;
  const within = (found: string): boolean => found === path || found.startsWith(`${path}/`);
  const uses_ = (found: string): boolean =>
    within(found) || found.endsWith(tail) || found.includes(`${tail}/`);
  return { mounted: mounts.some((found) => within(found)), in_use: uses.some((found) => uses_(found)) };
}

function notWhole({ host }: Looked): SandkeepError {
  return new SandkeepError(`what ${host} answered is not whole`, {
    code: "HOST_ANSWER",
    kind: "transient",
    blame: "backend",
    hint: "try again; if it stays so, look whether the account's shell on the host prints something by itself",
  });
}
