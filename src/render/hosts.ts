import type { Disk, HostList, HostReap, HostSnapshot, HostStale, ReapEntry, Stale } from "../model/host.ts";
import { formatDuration, roughDuration } from "../util/duration.ts";
import type { Cell } from "./layout.ts";
import { columns, count, joinBlocks, paragraph } from "./layout.ts";
import type { Style, Tone } from "./style.ts";
import { roughBytes } from "./value.ts";

const heading = (...titles: string[]): Cell[] => titles.map((text) => ({ text, tone: "dim" }));
const NONE: Cell = { text: "-", tone: "dim" };
function share(part: number, whole: number): string {
  return whole === 0 ? "-" : `${Math.round((part / whole) * 100)}%`;
}

export function renderHostList({ hosts }: HostList, style: Style): string {
  const rows = hosts.map((each): Cell[] => [
    { text: each.host, tone: "strong" },
    each.target === null ? (each.host === "local" ? { text: "this machine" } : NONE) : { text: each.target },
    each.backends.length === 0 ? NONE : { text: each.backends.join(", ") },
    each.max_runtimes === null ? NONE : { text: String(each.max_runtimes) },
    each.agents.length === 0 ? NONE : { text: each.agents.join(", ") },
  ]);
  return joinBlocks([
    columns(style, [heading("HOST", "REACHED AT", "BACKENDS", "MOST", "AGENTS"), ...rows], 0),
  ]);
}

export function renderSnapshot(snapshot: HostSnapshot, style: Style): string {
  const { host, target, node, kernel, uptime_s } = snapshot;
  const up = uptime_s === null ? "" : `, up ${roughDuration(uptime_s * 1000)}`;
  return joinBlocks([
    paragraph(style, `Host ${host}${target === null ? "" : ` (${target})`}: ${node}, ${kernel}${up}`, {
      tone: "strong",
    }),
    columns(style, vitals(snapshot), 2),
    diskLines(snapshot.disks, style),
    engineLines(snapshot, style),
    directoryLines(snapshot, style),
    projectLines(snapshot, style),
    snapshot.notes.flatMap((note) => paragraph(style, note, { tone: "warning", hang: 2 })),
  ]);
}

function vitals({ load, cpus, memory, processes }: HostSnapshot): Cell[][] {
  const rows: Cell[][] = [];
  if (load !== null) {
    const of = cpus === null ? "" : ` on ${count(cpus, "CPU")}`;
    rows.push([{ text: "load" }, { text: `${load.join(" ")}${of}` }]);
  }
  if (memory !== null) {
    const { total, available, swap_total, swap_free } = memory;
    const swap =
      swap_total === 0
        ? ""
        : `, swap ${roughBytes(swap_total - swap_free)} of ${roughBytes(swap_total)} used`;
    const text = `${roughBytes(available)} of ${roughBytes(total)} available (${share(available, total)})${swap}`;
    rows.push([{ text: "memory" }, { text }]);
  }
  if (processes !== null) rows.push([{ text: "processes" }, { text: String(processes) }]);
  return rows;
}

/** Places on one file system are one row. */
function diskLines(disks: readonly Disk[], style: Style): string[] {
  const places = new Map<string, { readonly disk: Disk; readonly whats: string[] }>();
  for (const disk of disks) {
    const known = places.get(disk.mount);
    if (known === undefined) places.set(disk.mount, { disk, whats: [disk.what] });
    else if (!known.whats.includes(disk.what)) known.whats.push(disk.what);
  }
  if (places.size === 0) return [];
  const rows = [...places.values()].map(({ disk, whats }): Cell[] => [
    { text: disk.mount },
    {
      text: `${roughBytes(disk.available)} of ${roughBytes(disk.total)} (${share(disk.available, disk.total)})`,
    },
    disk.inodes === null || disk.inodes_free === null
      ? NONE
      : { text: `${disk.inodes_free} (${share(disk.inodes_free, disk.inodes)})` },
    { text: whats.join(", ") },
  ]);
  return columns(style, [heading("DISK", "FREE", "INODES FREE", "HOLDS"), ...rows], 2);
}

function engineLines({ engines, containers }: HostSnapshot, style: Style): string[] {
  if (engines.length === 0) return [];
  const rows = engines.map((each): Cell[] => {
    const own = containers.filter(({ engine }) => engine === each.engine);
    const running = own.filter(({ status }) => status === "running").length;
    const tone: Tone = each.status === "ready" ? "good" : each.status === "absent" ? "dim" : "alarm";
    const about =
      each.status === "ready"
        ? `${count(own.length, "container")}, ${running} running, in ${each.root ?? "?"}${diskUse(each)}`
        : (each.message ?? "its command line is not there");
    return [
      { text: each.engine },
      { text: each.version === null ? each.status : each.version, tone },
      { text: about },
    ];
  });
  return columns(style, [heading("ENGINE", "VERSION", ""), ...rows], 2);
}

function diskUse({ disk_use: use }: HostSnapshot["engines"][number]): string {
  if (use === undefined) return "";
  const parts = [
    `images ${roughBytes(use.images)}`,
    `containers ${roughBytes(use.containers)}`,
    `volumes ${roughBytes(use.volumes)}`,
    `build cache ${roughBytes(use.build_cache)}`,
  ];
  return `; ${parts.join(", ")}`;
}

const MOST_LISTED = 40;

function directoryLines({ roots, directories }: HostSnapshot, style: Style): string[] {
  const lines = roots.flatMap(({ path, real, status }) =>
    paragraph(
      style,
      status === "absent" ? `sandboxes: ${path} does not exist yet` : `sandboxes below ${real ?? path}:`,
      { indent: 2, hang: 2 },
    ),
  );
  const rows = directories
    .slice(0, MOST_LISTED)
    .map((each): Cell[] => [
      { text: `${each.parent}/${each.name}` },
      { text: each.labels["sandkeep.address"] ?? (each.kind === "link" ? "a link" : "not known") },
      { text: each.labels["sandkeep.fleet"] ?? "-" },
      each.in_use ? { text: "in use", tone: "good" } : NONE,
    ]);
  const left = directories.length - rows.length;
  return [
    ...lines,
    ...(rows.length === 0 ? [] : columns(style, [heading("FOLDER", "ADDRESS", "FLEET", "USE"), ...rows], 4)),
    ...(left > 0 ? paragraph(style, `and ${left} more, which --json tells`, { indent: 4, tone: "dim" }) : []),
  ];
}

function projectLines({ compose_projects: projects }: HostSnapshot, style: Style): string[] {
  if (projects.length === 0) return [];
  const rows = projects.map((each): Cell[] => [
    { text: each.project },
    { text: each.engine },
    { text: `${each.running} of ${count(each.containers, "container")} running` },
    each.folder === null ? NONE : { text: each.folder },
  ]);
  return columns(style, [heading("COMPOSE PROJECT", "ENGINE", "", "FOLDER"), ...rows], 2);
}

function unobservedLines(unobserved: HostStale["unobserved"], style: Style): string[] {
  return unobserved.flatMap(({ host, message, hint }) => [
    ...paragraph(style, `${host} cannot be seen: ${message}`, { tone: "alarm", hang: 2 }),
    ...(hint === null ? [] : paragraph(style, hint, { indent: 2, hang: 2 })),
  ]);
}

function what({ host, what: path, engine, address }: Stale): string {
  const of = address === null ? "" : ` (${address})`;
  return `${host}: ${engine === null ? "" : `${engine} container `}${path}${of}`;
}

export function renderStale({ stale, unobserved, hosts, older_than_s }: HostStale, style: Style): string {
  const removable = stale.filter(({ reap }) => reap !== null).length;
  const summary =
    stale.length === 0
      ? `Nothing stale on ${hosts.join(", ")} (older than ${formatDuration(older_than_s * 1000)}).`
      : `${count(stale.length, "stale thing")}, ${removable} of which \`sandkeep host reap --apply\` removes.`;
  return joinBlocks([
    ...stale.map((each) => [
      ...paragraph(style, what(each), { tone: "strong", hang: 2 }),
      ...paragraph(style, `${each.code}: ${each.why}`, { indent: 2, hang: 2 }),
      ...paragraph(style, each.kept === null ? "reap removes it" : `reap keeps it: ${each.kept.why}`, {
        indent: 2,
        hang: 2,
        tone: each.kept === null ? "remove" : "dim",
      }),
    ]),
    unobservedLines(unobserved, style),
    paragraph(style, summary, { tone: stale.length === 0 ? "good" : "strong" }),
  ]);
}

const WORDS: Readonly<Record<ReapEntry["status"], readonly [words: string, tone: Tone]>> = {
  removed: ["removed", "remove"],
  would_remove: ["would be removed", "remove"],
  kept: ["kept", "dim"],
  changed: ["kept, since it changed", "warning"],
  failed: ["could not be removed", "alarm"],
};

export function renderReap({ entries, unobserved, dry_run }: HostReap, style: Style): string {
  const tally = Object.entries(WORDS).flatMap(([status, [words]]) => {
    const amount = entries.filter((each) => each.status === status).length;
    return amount === 0 ? [] : [`${amount} ${words}`];
  });
  const next = dry_run && entries.some(({ status }) => status === "would_remove") ? "; --apply does it" : "";
  return joinBlocks([
    ...entries.map((each) => {
      const [words, tone] = WORDS[each.status];
      return [
        ...paragraph(style, what(each), { tone: "strong", hang: 2 }),
        ...paragraph(style, `${each.code}: ${each.why}`, { indent: 2, hang: 2 }),
        ...paragraph(style, `${words}${each.message === null ? "" : `: ${each.message}`}`, {
          indent: 2,
          hang: 2,
          tone,
        }),
      ];
    }),
    unobservedLines(unobserved, style),
    paragraph(style, tally.length === 0 ? "Nothing stale." : `${tally.join(", ")}${next}.`, {
      tone: "strong",
    }),
  ]);
}
