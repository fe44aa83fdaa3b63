import { Command, CommanderError, Option } from "commander";
import { usageError } from "./exit-codes.ts";
import { GLOBAL_FLAGS } from "./globals.ts";
import type { Streams } from "./invocation.ts";
import type { Verb } from "./verbs.ts";
import { VERBS } from "./verbs.ts";

/** What was understood of a command line. */
export interface Parsed {
  readonly verb: Verb;
  readonly args: readonly string[];
  readonly options: Readonly<Record<string, unknown>>;
}

function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

function option(flags: string, about: string, repeated: boolean): Option {
  const made = new Option(flags, about);
  return repeated ? made.argParser(collect) : made;
}

const EXIT_HELP = `
Exit codes: 0 done, 1 failed, 2 changes pending, 3 blocked or not confirmed, 4 stale plan, 5 unhealthy or
rolled back, 64 usage, 69 unreachable, 70 bug, 75 busy, 77 denied, 78 invalid config, 124 timed out.
\`run\` exits with the command's own code.`;

/** The command tree of these verbs. `chosen` is told the verb; nothing runs here, so that errors have one way out. */
export function makeProgram(
  version: string,
  output: { readonly out: (text: string) => void; readonly err: (text: string) => void },
  chosen: (parsed: Parsed) => void,
  verbs: readonly Verb[] = VERBS,
): Command {
  const program = new Command("sandkeep")
    .description("Keeps agent sandboxes the way a config file says they should be.")
    .version(version, "-V, --version", "print the version")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeOut: output.out, writeErr: output.err, outputError: () => undefined })
    .addHelpText("after", EXIT_HELP)
    .helpCommand(false)
    .exitOverride();
  for (const { flags, about, takes } of GLOBAL_FLAGS)
    program.addOption(option(flags, about, takes === "list"));
  for (const verb of verbs) {
    const command = program.command(verb.name).description(verb.about);
    if (verb.alias !== undefined) command.alias(verb.alias);
    for (const [notation, about] of verb.args) command.argument(notation, about);
    for (const { flags, about, repeated } of verb.options)
      command.addOption(option(flags, about, repeated === true));
    command.action(() => chosen({ verb, args: command.args, options: command.optsWithGlobals() }));
  }
  return program;
}

/** `runs tail -f` and `events -f` follow, as every `tail` does; the same letter before the verb, or of another, names a config. */
function ownShortFlags(argv: readonly string[]): readonly string[] {
  const verb = verbIn(argv);
  const follows = argv[verb] === "events" || (argv[verb] === "runs" && argv[verb + 1] === "tail");
  if (!follows) return argv;
  const end = argv.indexOf("--", verb);
  return argv.map((word, index) =>
    word === "-f" && index > verb && (end < 0 || index < end) ? "--follow" : word,
  );
}

const TAKING = new Set(
  GLOBAL_FLAGS.filter(({ takes }) => takes !== "nothing").flatMap(({ flags }) =>
    flags.split(/[ ,]+/).filter((each) => each.startsWith("-")),
  ),
);

/** Where the verb stands: the first word that is neither a flag nor a flag's value. */
function verbIn(argv: readonly string[]): number {
  return argv.findIndex((word, index) => !word.startsWith("-") && !TAKING.has(argv[index - 1] ?? ""));
}

/** The verb that is meant alone, for all of them take longer to lay out than to parse; each where help or advice may name it. */
function verbsFor(argv: readonly string[]): readonly Verb[] {
  const at = verbIn(argv);
  const meant = VERBS.find(({ name, alias }) => [name, alias ?? name].includes(argv[at] ?? ""));
  const asksBefore = argv.slice(0, at).some((word) => word === "--help" || /^-[a-zA-Z]*h/.test(word));
  return meant === undefined || asksBefore ? VERBS : [meant];
}

/** A parser's complaint in our words; undefined when it only printed help or the version. */
function asUsageError(error: CommanderError): Error | undefined {
  if (error.exitCode === 0) return undefined;
  if (error.code === "commander.help") return usageError("no verb given");
  const [message = "", ...rest] = error.message.replace(/^error: /, "").split("\n");
  const suggestion = rest
    .join(" ")
    .trim()
    .replace(/^\((.*)\)$/, "$1");
  return usageError(message.trim(), suggestion === "" ? undefined : suggestion);
}

/** What a command line asks for; undefined when help or the version was the answer. Throws usage errors. */
export function parseCommandLine(
  argv: readonly string[],
  version: string,
  { stdout, stderr }: Pick<Streams, "stdout" | "stderr">,
): Parsed | undefined {
  let parsed: Parsed | undefined;
  const output = { out: (text: string) => stdout.write(text), err: (text: string) => stderr.write(text) };
  const choose = (chosen: Parsed): void => {
    parsed = chosen;
  };
  const program = makeProgram(version, output, choose, verbsFor(argv));
  try {
    program.parse(ownShortFlags(argv), { from: "user" });
  } catch (error) {
    const fault = error instanceof CommanderError ? asUsageError(error) : error;
    if (fault !== undefined) throw fault;
  }
  return parsed;
}
