/**
 * In: a spec, a command, and how a client names the workspace. Out: the texts of one build. Pure.
 * The command itself is a secret mount, so neither the cache nor the worker's history has it. The build succeeds however
 * the command ends: its code, its streams and its files are what the build makes.
 */
import { shellWord } from "../../util/shell-word.ts";
import type { BuildJob } from "./client.ts";
import type { BuildSpec } from "./spec.ts";

/** Folder of the results at the root of what is exported. */
export const RESULTS = ".sandkeep";
/** Folder of the workspace there. */
export const TREE = "tree";
const SECRET_FILE = "/run/sandkeep/command";
/** A cache mount of the run's own: what the command writes there outlives it, also when the worker ends it. */
const KEPT = "/run/sandkeep/kept";
const SECRET_ID = "sandkeep";
const INPUT = "/run/sandkeep/input";
const inputId = (nth: number): string => `${SECRET_ID}-input-${nth}`;

/** What a client is told of the secrets that the text names. */
export function secretArgs({ secret, input }: Pick<BuildJob, "secret" | "input">): string[] {
  const sources = input.map((name, nth) => `id=${inputId(nth)},src=${name}`);
  return [`id=${SECRET_ID},env=${secret}`, ...sources].flatMap((each) => ["--secret", each]);
}

export interface DockerfileInput {
  readonly spec: BuildSpec;
  /** What makes the command's step one of a kind: equal steps are taken from the cache, and merged when at work at once. */
  readonly nonce: string;
  /** `COPY` arguments that stand for the workspace as it was sent. */
  readonly workspace: string;
  /** In how many parts the command's input comes. */
  readonly inputs: number;
}

export function dockerfile({ spec, nonce, workspace, inputs }: DockerfileInput): string {
  const { access, target } = spec.workspace;
  const parts = Array.from({ length: inputs }, (_, nth) => `${INPUT}/${nth}`);
  const mounts = [
    secretMount(SECRET_ID, SECRET_FILE),
    ...parts.map((part, nth) => secretMount(inputId(nth), part)),
    keptMount(nonce),
  ];
  const lines = [
    `FROM ${spec.buildkit.image} AS run`,
    "USER 0",
    ...spec.setup.map((line) => `RUN ${execForm(["/bin/sh", "-c", `${exports(spec.env)}${line}`])}`),
    `WORKDIR ${target}`,
    ...(access === "none" ? [] : [`COPY ${workspace} .`]),
    `RUN ${mounts.join(" ")} ${execForm(["/bin/sh", "-c", runScript(target, nonce, parts)])}`,
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
function runScript(target: string, nonce: string, input: readonly string[]): string {
  const command = `(. ${SECRET_FILE})`;
  const fed =
    input.length > 1 ? `cat ${input.join(" ")} | ${command}` : `${command} <${input[0] ?? "/dev/null"}`;
  return [
    `: ${nonce}`,
    `o=/${RESULTS}; mkdir -p $o`,
    'walk() { for p in "$1"/* "$1"/.[!.]* "$1"/..?*; do if [ -e "$p" ] || [ -L "$p" ]; then printf "%s\\\\0" "$p"; if [ -d "$p" ] && [ ! -L "$p" ]; then walk "$p"; fi; fi; done; }',
    `cd ${target} && walk . > $o/before`,
    `k=${KEPT}; ${fed} >$k/stdout 2>$k/stderr`,
    "c=$?",
    // Whatever the command removed, what follows has to find.
    `mkdir -p $o ${target}; : >>$o/before`,
    `for s in stdout stderr; do : >>$k/$s; cat $k/$s >$o/$s || exit ${UNABLE}; done`,
    "for s in stdout stderr; do : >$k/$s; done",
    // Its own control group's, in the places of both versions; the files of any other tell of nobody.
    `for f in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do if [ -r $f ]; then while read -r name n; do [ "$name" != oom_kill ] || echo $n >$o/oom; done <$f; fi; done`,
    "echo $c >$o/code",
  ].join("\n");
}

/** What the step itself ends with when it cannot hand over what the command wrote. */
const UNABLE = 1;

function secretMount(id: string, target: string): string {
  return `--mount=type=secret,id=${id},target=${target},required=true`;
}

function keptMount(nonce: string): string {
  return `--mount=type=cache,id=sandkeep-${nonce},target=${KEPT}`;
}

export interface RescueInput {
  readonly image: string;
  /** Of the build that came to no end. */
  readonly lost: string;
  readonly nonce: string;
}

/** Brings what a command had written until the worker ended it. */
export function rescueDockerfile({ image, lost, nonce }: RescueInput): string {
  const script = [
    `: ${nonce}`,
    `mkdir -p /${RESULTS}`,
    `for s in stdout stderr; do if [ -e ${KEPT}/$s ]; then cat ${KEPT}/$s >/${RESULTS}/$s && : >${KEPT}/$s; fi; done`,
  ].join("\n");
  const lines = [
    `FROM ${image} AS run`,
    "USER 0",
    `RUN ${keptMount(lost)} ${execForm(["/bin/sh", "-c", script])}`,
    "FROM scratch",
    `COPY --from=run /${RESULTS} /${RESULTS}`,
  ];
  return `${lines.join("\n")}\n`;
}

export interface CommandInput {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Absolute. */
  readonly cwd: string;
}

/** The secret: sets the variables and becomes the command. */
export function commandScript({ argv, env, cwd }: CommandInput): string {
  return `${exports(env)}cd ${shellWord(cwd)} || exit 126\nexec ${argv.map(shellWord).join(" ")}\n`;
}

function exports(env: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(env).map(([name, value]) => `${name}=${shellWord(value)}`);
  return pairs.length === 0 ? "" : `export ${pairs.join(" ")}\n`;
}
