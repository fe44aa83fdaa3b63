import { type KeyPath, formatKeyPath } from "../../model/source.ts";
import { type Draft, type Entry, type Item, type Line, agentOf, isList, sourcesOf, whyOff } from "./draft.ts";
import { commentLines, headerLine, inert, keyLine, keyText, textValue } from "./toml-text.ts";

export interface Heading {
  readonly fleet: string;
  readonly fleetId: string;
  /** The tool's name as its users write it. */
  readonly title: string;
  /** The source file as shown to people. */
  readonly name: string;
}

export interface Written {
  readonly text: string;
  /** By line number, from 1: which setting, or which element of it, stands there. */
  readonly owners: ReadonlyMap<number, Owner>;
}

export interface Owner {
  readonly line: Line;
  readonly item?: Item;
}

interface Page {
  readonly draft: Draft;
  readonly lines: string[];
  readonly owners: Map<number, Owner>;
  /** A note is told where its key is first written. */
  readonly told: Set<Entry>;
}

export function writeDraft(draft: Draft, heading: Heading): Written {
  const page: Page = { draft, lines: [], owners: new Map(), told: new Set() };
  writeHeading(page, heading);
  for (const section of sectionsOf(draft)) writeSection(page, section);
  writeRest(page);
  return { text: `${page.lines.join("\n")}\n`, owners: page.owners };
}

function writeHeading(page: Page, { fleet, fleetId, title, name }: Heading): void {
  say(
    page,
    `Imported from ${name}, a config of ${title}. Read it, then run \`sandkeep explain\` and \`sandkeep plan\`.`,
  );
  say(page, "was KEY: means the same as that key did. changed: KEY: means something else, as told.");
  say(page, `default: what ${title} does by itself, written out because sandkeep would do otherwise.`);
  say(page, "refused: KEY: sandkeep does not do this. Keys without an equal are listed at the end.");
  for (const remark of page.draft.remarks) say(page, `Note: ${remark}`);
  page.lines.push("", "version = 1", keyLine("fleet", fleet), keyLine("fleet_id", fleetId));
}

interface Section {
  readonly path: KeyPath;
  readonly lines: readonly Line[];
}

const TOPS: readonly string[] = ["sandbox", "agents", "tools", "hosts", "runs"];

/** Tables in the order a person reads them: the defaults, then each agent with all its tables, then the rest. */
function sectionsOf(draft: Draft): readonly Section[] {
  const sections = new Map<string, { readonly path: KeyPath; readonly lines: Line[] }>([
    ["", { path: [], lines: [] }],
  ]);
  for (const name of draft.agents) {
    const path = ["agents", name];
    sections.set(formatKeyPath(path), { path, lines: [] });
  }
  for (const line of draft.lines.values()) {
    const path = line.path.slice(0, -1);
    const id = formatKeyPath(path);
    const section = sections.get(id) ?? { path, lines: [] };
    section.lines.push(line);
    sections.set(id, section);
  }
  const agents = [...draft.agents];
  const rank = ({ path }: Section): readonly number[] => [
    TOPS.indexOf(String(path[0] ?? "")),
    agents.indexOf(agentOf(path) ?? ""),
    path.length === 1 ? 0 : 1,
  ];
  // Sorting keeps the order of equals, so tables stay in the order in which they were first written.
  return [...sections.values()].toSorted((a, b) => {
    const [topA = 0, agentA = 0, depthA = 0] = rank(a);
    const [topB = 0, agentB = 0, depthB = 0] = rank(b);
    return topA - topB || agentA - agentB || depthA - depthB;
  });
}

function writeSection(page: Page, { path, lines }: Section): void {
  const agent = agentOf(path);
  const shelved = agent === undefined ? undefined : page.draft.shelved.get(agent);
  if (path.length > 0) {
    page.lines.push("");
    if (shelved !== undefined && path.length === 2)
      say(page, `refused: agent ${agent ?? ""} is commented out: ${shelved}`);
    const names = page.draft.entries.filter(
      (entry) => path.length === 2 && agent !== undefined && entry.agent === agent,
    );
    for (const entry of names)
      say(page, entry.changed ? `changed: ${told(entry)}: ${entry.notes.join("; ")}` : `was ${told(entry)}`);
    page.lines.push(`${shelved === undefined ? "" : "# "}${headerLine(path)}`);
  }
  for (const line of targetFirst(lines)) writeLine(page, line);
}

/** A host is known by where it is, whichever table said the rest. */
function targetFirst(lines: readonly Line[]): readonly Line[] {
  const targets = new Set(lines.filter(({ path }) => path[0] === "hosts" && path.at(-1) === "target"));
  return [...targets, ...lines.filter((line) => !targets.has(line))];
}

function writeLine(page: Page, line: Line): void {
  const off = whyOff(page.draft, line) !== undefined;
  const mark = off ? "# " : "";
  const was = explain(page, line);
  const { value } = line;
  const key = String(line.path.at(-1) ?? "");
  if (isList(value)) return writeList(page, line, value, { mark, key, was });
  const text = mark + keyLine(key, value);
  const trailing = was === undefined ? "" : ` # ${inert(was)}`;
  if (was !== undefined && text.length + trailing.length > 110) say(page, was);
  own(page, { line }, text.length + trailing.length > 110 ? text : text + trailing);
}

/** Says above a line what is to be said about it; returns what is short enough to stand beside it. */
function explain(page: Page, line: Line): string | undefined {
  const { why, refused } = line;
  const sources = sourcesOf(line);
  if (why !== undefined) say(page, `default: ${why}`);
  if (refused !== undefined) {
    say(page, `refused: ${sources.length === 0 ? "" : `${allTold(sources)}: `}${refused}`);
    for (const entry of sources) page.told.add(entry);
    return undefined;
  }
  const changed = sources.filter((entry) => entry.changed && !page.told.has(entry));
  for (const entry of changed) {
    page.told.add(entry);
    say(page, `changed: ${told(entry)}: ${entry.notes.join("; ")}`);
  }
  const plain = sources.filter((entry) => !changed.includes(entry));
  return plain.length === 0 ? undefined : `was ${allTold(plain)}`;
}

interface ListLook {
  readonly mark: string;
  readonly key: string;
  readonly was: string | undefined;
}

function writeList(page: Page, line: Line, items: readonly Item[], { mark, key, was }: ListLook): void {
  const isShort =
    items.length < 2 && items.every((item) => item.refused === undefined && item.from === line.from);
  if (was !== undefined) say(page, was);
  if (isShort)
    return own(
      page,
      { line },
      mark +
        keyLine(
          key,
          items.map((item) => item.value),
        ),
    );
  own(page, { line }, `${mark}${keyText(key)} = [`);
  for (const item of items) {
    const from = item.from === line.from ? undefined : item.from;
    if (item.refused !== undefined) {
      for (const text of commentLines(
        `refused: ${from === undefined ? "" : `${told(from)}: `}${item.refused}`,
      ))
        page.lines.push(`  ${text}`);
    } else if (from !== undefined) {
      const note = from.changed ? `changed: ${told(from)}: ${from.notes.join("; ")}` : `was ${told(from)}`;
      for (const text of commentLines(note)) page.lines.push(`  ${text}`);
    }
    own(page, { line, item }, `${mark}  ${item.refused === undefined ? "" : "# "}${textValue(item.value)},`);
  }
  page.lines.push(`${mark}]`);
}

/** What has no line of its own: the keys without an equal, and how some of them would look. */
function writeRest(page: Page): void {
  const { entries, asides } = page.draft;
  const lost = entries.filter((entry) => entry.lost);
  if (lost.length > 0) {
    page.lines.push("");
    say(page, "Without an equal in this sandkeep:");
    for (const entry of lost) say(page, `- ${told(entry)}: ${entry.notes.join("; ")}`);
  }
  const sections = asideSections(asides);
  for (const [header, lines] of sections)
    page.lines.push("", `# ${header}`, ...lines.map((line) => `# ${line}`));
}

function asideSections(asides: Draft["asides"]): ReadonlyMap<string, readonly string[]> {
  const sections = new Map<string, string[]>();
  for (const { path, value } of asides) {
    const header = headerLine(path.slice(0, -1));
    const lines = sections.get(header) ?? [];
    lines.push(keyLine(String(path.at(-1) ?? ""), value));
    sections.set(header, lines);
  }
  return sections;
}

function allTold(entries: readonly Entry[]): string {
  return entries.map(told).join(", ");
}

function told({ key, place }: Entry): string {
  return `${key} (line ${String(place.line)})`;
}

function say({ lines }: Page, text: string): void {
  lines.push(...commentLines(text));
}

function own({ lines, owners }: Page, owner: Owner, text: string): void {
  owners.set(lines.push(text), owner);
}
