/**
 * In: a spec, a command, and how a client names the workspace. Out: the texts of one build. Pure.
 * The command itself is a secret mount, so neither the cache nor the worker's history has it. The build succeeds however
 * the command ends: its code, its streams and its files are what the build makes.
 */
import type { BuildSpec } from "./spec.ts";

/** Folder of the results at the root of what is exported. */
export const RESULTS = ".sandkeep";
/** Folder of the workspace there. */
export const TREE = "tree";
const SECRET_FILE = "/run/sandkeep/command";
export const SECRET_ID = "sandkeep";

export interface DockerfileInput {
  readonly spec: BuildSpec;
  /** What makes the command's step one of a kind: equal steps are taken from the cache, and merged when at work at once. */
  readonly nonce: string;
  /** `COPY` arguments that stand for the workspace as it was sent. */
  readonly workspace: string;
}

export function dockerfile({ spec, nonce, workspace }: DockerfileInput): string {
  const { access, target } = spec.workspace;
  const lines = [
    `FROM ${spec.buildkit.image} AS run`,
    "USER 0",
    ...spec.setup.map((line) => `RUN ${execForm(["/bin/sh", "-c", `${exports(spec.env)}${line}`])}`),
    `WORKDIR ${target}`,
    ...(access === "none" ? [] : [`COPY ${workspace} .`]),
    `RUN --mount=type=secret,id=${SECRET_ID},target=${SECRET_FILE},required=true ${execForm([
      "/bin/sh",
      "-c",
      runScript(target, nonce),
    ])}`,
    "FROM scratch",
    `COPY --from=run /${RESULTS} /${RESULTS}`,
    ...(access === "rw" ? [`COPY --from=run ${target} /${TREE}`] : []),
  ];
  return `${lines.join("\n")}\n`;
}

function execForm(argv: readonly string[]): string {
  return JSON.stringify(argv);
}

/**
 * Also tells which paths were there before, since what the user's .dockerignore hides is not deleted by being absent. Globs
 * stand for `find`, which not every image has.
 */
function runScript(target: string, nonce: string): string {
  return [
    `: ${nonce}`,
    `o=/${RESULTS}; mkdir -p $o`,
    'walk() { for p in "$1"/* "$1"/.[!.]* "$1"/..?*; do if [ -e "$p" ] || [ -L "$p" ]; then printf "%s\\\\0" "$p"; if [ -d "$p" ] && [ ! -L "$p" ]; then walk "$p"; fi; fi; done; }',
    `cd ${target} && walk . > $o/before`,
    `(. ${SECRET_FILE}) </dev/null >$o/stdout 2>$o/stderr`,
    "c=$?",
    // Whatever the command removed, what follows has to find.
    `mkdir -p $o ${target}; : >>$o/before; : >>$o/stdout; : >>$o/stderr; echo $c >$o/code`,
  ].join("\n");
}

export interface CommandInput {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Absolute. */
  readonly cwd: string;
}

/** The secret: sets the variables and becomes the command. */
export function commandScript({ argv, env, cwd }: CommandInput): string {
  return `${exports(env)}cd ${quoted(cwd)} || exit 126\nexec ${argv.map(quoted).join(" ")}\n`;
}

function exports(env: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(env).map(([name, value]) => `${name}=${quoted(value)}`);
  return pairs.length === 0 ? "" : `export ${pairs.join(" ")}\n`;
}

/** One word for a shell, whatever is in it: between single quotes nothing has a meaning but the quote itself. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
