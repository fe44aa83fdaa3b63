import { shellWord } from "../../util/shell-word.ts";
import { GLOBAL_FLAGS } from "../globals.ts";
import { EXIT, usageError } from "../exit-codes.ts";
import type { Invocation } from "../invocation.ts";
import { write } from "../print.ts";
import type { Verb } from "../verbs.ts";
import { VERBS } from "../verbs.ts";

interface Flag {
  readonly long: string;
  readonly short: string | undefined;
  readonly about: string;
  readonly takesValue: boolean;
}

function parseFlag(flags: string, about: string): Flag {
  const long = /--[a-z-]+/.exec(flags)?.[0] ?? "";
  return { long, short: /^-([a-zA-Z])\b/.exec(flags)?.[1], about, takesValue: flags.includes("<") };
}

const GLOBALS = GLOBAL_FLAGS.map(({ flags, about }) => parseFlag(flags, about));
const flagsOf = (verb: Verb): Flag[] => verb.options.map(({ flags, about }) => parseFlag(flags, about));
const namesOf = (verb: Verb): string[] => [verb.name, ...(verb.alias === undefined ? [] : [verb.alias])];
const words = (flags: readonly Flag[]): string => flags.map((flag) => flag.long).join(" ");

function bash(): string {
  const cases = VERBS.map(
    (verb) => `    ${namesOf(verb).join("|")}) flags=${shellWord(words(flagsOf(verb)))} ;;`,
  );
  return `# sandkeep completion for bash: source <(sandkeep completion bash)
_sandkeep() {
  local current=\${COMP_WORDS[COMP_CWORD]} verb="" flags="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
      --) COMPREPLY=($(compgen -c -- "$current")); return ;;
      -*) ;;
      *) case ${shellWord(` ${VERBS.flatMap(namesOf).join(" ")} `)} in *" $word "*) verb=$word; break ;; esac ;;
    esac
  done
  case $verb in
${cases.join("\n")}
  esac
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$flags ${words(GLOBALS)} --help" -- "$current"))
  elif [[ -z $verb ]]; then
    COMPREPLY=($(compgen -W ${shellWord(VERBS.flatMap(namesOf).join(" "))} -- "$current"))
  else
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -o filenames -F _sandkeep sandkeep
`;
}

function zshFlag(flag: Flag): string {
  const about = flag.about.replaceAll(/[[\]:]/g, (char) => `\\${char}`);
  return `      ${shellWord(`${flag.long}[${about}]${flag.takesValue ? ":value:_files" : ""}`)}`;
}

function zsh(): string {
  const verbs = VERBS.flatMap((verb) =>
    namesOf(verb).map((name) => `    ${shellWord(`${name}:${verb.about}`)}`),
  );
  const cases = VERBS.map(
    (verb) => `    ${namesOf(verb).join("|")}) flags=(\n${flagsOf(verb).map(zshFlag).join("\n")}\n    ) ;;`,
  );
  return `#compdef sandkeep
# sandkeep completion for zsh: sandkeep completion zsh > "\${fpath[1]}/_sandkeep"
_sandkeep() {
  local -a verbs flags globals
  verbs=(
${verbs.join("\n")}
  )
  globals=(
${GLOBALS.map(zshFlag).join("\n")}
  )
  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
    _describe verb verbs
    return
  fi
  case $words[2] in
${cases.join("\n")}
  esac
  _arguments $flags $globals '*:argument:_files'
}
compdef _sandkeep sandkeep
`;
}

function fishFlag(flag: Flag, condition: string): string {
  const short = flag.short === undefined ? "" : ` -s ${flag.short}`;
  return `complete -c sandkeep${condition}${short} -l ${flag.long.slice(2)}${flag.takesValue ? " -r" : ""} -d ${fishQuote(flag.about)}`;
}

function fishQuote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

function fish(): string {
  const lines = VERBS.flatMap((verb) =>
    namesOf(verb).flatMap((name) => [
      `complete -c sandkeep -n __fish_use_subcommand -a ${name} -d ${fishQuote(verb.about)}`,
      ...flagsOf(verb).map((flag) => fishFlag(flag, ` -n '__fish_seen_subcommand_from ${name}'`)),
    ]),
  );
  return [
    "# sandkeep completion for fish: sandkeep completion fish > ~/.config/fish/completions/sandkeep.fish",
    ...GLOBALS.map((flag) => fishFlag(flag, "")),
    ...lines,
    "",
  ].join("\n");
}

const SCRIPTS: Readonly<Record<string, () => string>> = { bash, zsh, fish };

export async function run({ args, streams }: Invocation): Promise<number> {
  const script = SCRIPTS[args[0] ?? ""];
  if (script === undefined)
    throw usageError(`no completion for ${JSON.stringify(args[0])}`, "There are bash, zsh and fish.");
  await write(streams.stdout, script());
  return EXIT.ok;
}
