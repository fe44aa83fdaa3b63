import { median } from "./timing.ts";

/** What the bench of fleets prints: one table for each size, as the README shows it. */
const GOALS = { create: 1.1, plan: { small: 1.6, large: 1 }, recreate: 1.1, destroy: 1.1, run: 1.6 } as const;
const MOST_MEBIBYTES = 150;

/** Milliseconds of each step in the life of a fleet. */
export type Loop = Readonly<Record<"create" | "look" | "recreate" | "destroy", number>>;

/** One tool's, from the start of its process to its end. */
export interface Life extends Loop {
  readonly mebibytes: number;
}

/** Milliseconds of both in one round. */
export interface Paired {
  readonly ours: number;
  readonly reference: number;
}

export interface Round {
  readonly ours: Life & { readonly commands: readonly Paired[] };
  readonly theirs: Life;
  /** `alone` without the start of its processes. */
  readonly bare: Loop & { readonly alone: Omit<Loop, "look"> };
}

/**
 * As the README shows it. Each ratio is to the tool that is the faster one over all rounds, and the median of those of the
 * rounds: a machine's speed may double from one round to the next, and hardly does within one.
 */
export function tableOf(size: number, rounds: readonly Round[]): string {
  const over = (pick: (round: Round) => number): number => median(rounds.map((round) => pick(round)));
  const row = (what: string, key: keyof Loop, goal: number) => {
    const theirs = over((round) => round.theirs[key]);
    const bare = over((round) => round.bare[key]);
    // A bare loop that looks compares nothing.
    const beside = key === "look" || theirs <= bare ? "theirs" : "bare";
    return [
      what,
      seconds(over(({ ours }) => ours[key])),
      seconds(theirs),
      seconds(bare),
      ratio(rounds.map((round) => ({ ours: round.ours[key], reference: round[beside][key] }))),
      `≤ ${goal}`,
      key === "look"
        ? ""
        : ratio(rounds.map((round) => ({ ours: round.ours[key], reference: round.bare.alone[key] }))),
    ];
  };
  const commands = rounds.flatMap(({ ours }) => ours.commands);
  const mebibytes = (pick: (round: Round) => Life): string =>
    `${Math.round(Math.max(...rounds.map((round) => pick(round).mebibytes)))} MiB`;
  return asTable([
    [
      `${size} containers, ${rounds.length} rounds`,
      "sandkeep",
      "compose",
      "bare",
      "ratio",
      "goal",
      "to the loop alone",
    ],
    row("create (verified, and seen to go on)", "create", GOALS.create),
    row(
      "no-op `plan`, which compares each live field",
      "look",
      size < 500 ? GOALS.plan.small : GOALS.plan.large,
    ),
    row("recreate all", "recreate", GOALS.recreate),
    row("destroy (tells what is lost)", "destroy", GOALS.destroy),
    [
      "`run -- true` / empty node + `docker exec`",
      seconds(median(commands.map((each) => each.ours))),
      "",
      seconds(median(commands.map((each) => each.reference))),
      ratio(commands),
      `≤ ${GOALS.run}`,
      "",
    ],
    [
      "peak memory",
      mebibytes(({ ours }) => ours),
      mebibytes(({ theirs }) => theirs),
      "",
      "",
      `< ${MOST_MEBIBYTES}`,
      "",
    ],
  ]);
}

/** One round, for who waits for the others: an hour of them, with 500 containers. */
export function roundOf(number: number, of: number, { ours, theirs, bare }: Round): string {
  const steps = (["create", "recreate", "destroy"] as const).map((key) => {
    const times = [ours[key], theirs[key], bare[key]].map(seconds);
    return `${key} ${times.join(" / ")}`;
  });
  return `round ${number} of ${of}, sandkeep / compose / bare: ${steps.join(", ")}`;
}

function ratio(pairs: readonly Paired[]): string {
  return median(pairs.map(({ ours, reference }) => ours / reference)).toFixed(2);
}

function asTable([head = [], ...rows]: readonly (readonly string[])[]): string {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((text, column) => text.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

function seconds(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}
