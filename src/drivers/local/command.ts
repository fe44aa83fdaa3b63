/** From a runtime and a request to the process to spawn: argv, clean environment, working directory. */
import { mkdir, realpath, stat } from "node:fs/promises";
import { homedir, userInfo } from "node:os";
import { join, posix } from "node:path";
import { SandkeepError } from "../../errors.ts";
import { DEFAULT_PATH, findProgram } from "../../util/program.ts";
import type { ExecRequest } from "../driver.ts";
import { broken } from "./apply.ts";
import { requireBubblewrap, SANDBOX_HOME, sandboxArguments } from "./bubblewrap.ts";
import type { LocalContext } from "./context.ts";
import { mustLocate } from "./context.ts";
import { unlessMissing } from "../../util/errno.ts";
import { readManifest } from "./manifest.ts";
import type { LocalSpec } from "./spec.ts";
import { readLocalSpec } from "./spec.ts";
import { CARRIED_SHELL, terminalArgv } from "./terminal.ts";

/** File descriptors that the sandbox gets beside the standard streams. */
export const STATUS_FD = 3;
export const ARGUMENTS_FD = 4;

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Levels of wrapper processes above the command itself. */
  readonly depth: number;
  /** Present for a sandbox: arguments that hold environment values, NUL-separated, for `ARGUMENTS_FD`. */
  readonly sandboxInput?: string;
}

/** A runtime's folders and how its commands are run, read from its manifest. */
export interface OpenRuntime {
  readonly dir: string;
  readonly spec: LocalSpec;
  /** Real folder on this machine behind the workspace target. */
  readonly workspace: string;
  /** Real folder on this machine behind HOME. */
  readonly home: string;
  readonly tmp: string;
}

export async function openRuntime(context: LocalContext, objectId: string): Promise<OpenRuntime> {
  const { dir } = await mustLocate(context, objectId);
  const manifest = await readManifest(dir, objectId);
  if (manifest === undefined) throw broken(objectId);
  const spec = readLocalSpec((path) => manifest.fields[path]);
  const workspace = await unlessMissing(realpath(join(dir, "workspace")));
  if (workspace === undefined || !(await stat(workspace)).isDirectory()) {
    throw new SandkeepError(`the runtime's workspace ${spec.workspace.source ?? "folder"} is gone`, {
      code: "LOCAL_WORKSPACE_MISSING",
      hint: "bring the folder back, or point `workspace.source` elsewhere and run `sandkeep apply`",
    });
  }
  const home = spec.home === "user" ? (context.deps.env["HOME"] ?? homedir()) : join(dir, "home");
  const tmp = join(dir, "tmp");
  // An emptied object folder still runs commands; observe tells that its home was lost.
  if (spec.home === "own") await mkdir(home, { recursive: true, mode: 0o700 });
  await mkdir(tmp, { recursive: true, mode: 0o700 });
  return { dir, spec, workspace, home, tmp };
}

export async function prepareCommand(context: LocalContext, request: ExecRequest): Promise<Command> {
  const runtime = await openRuntime(context, request.objectId);
  return runtime.spec.isolation === "none"
    ? plainCommand(context, runtime, request)
    : sandboxCommand(context, runtime, request);
}

function environment(
  runtime: OpenRuntime,
  request: ExecRequest,
  home: string,
  tmp: string,
): Record<string, string> {
  const user = userName();
  return {
    PATH: DEFAULT_PATH,
    HOME: home,
    TMPDIR: tmp,
    LANG: "C.UTF-8",
    USER: user,
    LOGNAME: user,
    ...(request.tty === undefined ? {} : { TERM: "xterm-256color" }),
    ...runtime.spec.env,
    ...request.env,
  };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run us under a number that no account has.
    return String(process.getuid?.() ?? "user");
  }
}

async function plainCommand(
  context: LocalContext,
  runtime: OpenRuntime,
  request: ExecRequest,
): Promise<Command> {
  const cwd = plainPath(runtime, request.cwd ?? runtime.spec.workspace.target);
  if (!(await unlessMissing(stat(cwd)))?.isDirectory()) throw noSuchFolder(cwd);
  const env = environment(runtime, request, runtime.home, runtime.tmp);
  const [program, ...args] = request.argv;
  if (program === undefined) throw emptyCommand();
  if (request.tty === undefined) return { program, args, env, cwd, depth: 0 };

  const wanted = env["SHELL"];
  const setpriv = await findProgram("setpriv", context.deps.env);
  await requireScript(context);
  const [outer = "script", ...rest] = terminalArgv(request.argv, request.tty, wanted !== undefined, setpriv);
  return { program: outer, args: rest, env: forTerminal(env), cwd, depth: 1 };
}

/** `script` runs its command with $SHELL, which must be the shell that the command text is quoted for. */
function forTerminal(env: Record<string, string>): Record<string, string> {
  const wanted = env["SHELL"];
  return { ...env, SHELL: "/bin/sh", ...(wanted === undefined ? {} : { [CARRIED_SHELL]: wanted }) };
}

async function sandboxCommand(
  context: LocalContext,
  runtime: OpenRuntime,
  request: ExecRequest,
): Promise<Command> {
  const bwrap = await requireBubblewrap(context.deps.env);
  const { spec } = runtime;
  const home = {
    source: runtime.home,
    target: spec.home === "own" ? SANDBOX_HOME : runtime.home,
  };
  const plain = environment(runtime, request, home.target, "/tmp");
  const env = request.tty === undefined ? plain : forTerminal(plain);
  const cwd = request.cwd ?? spec.workspace.target;
  const options = await sandboxArguments({
    spec,
    workspace: runtime.workspace,
    home,
    tmp: runtime.tmp,
    stateDir: context.deps.stateDir,
    cwd,
  });
  if (request.argv.length === 0) throw emptyCommand();
  if (request.tty !== undefined) await requireScript(context);
  const inner =
    request.tty === undefined
      ? launched(request.argv)
      : terminalArgv(request.argv, request.tty, plain["SHELL"] !== undefined, undefined);
  return {
    program: bwrap,
    args: [...options, "--json-status-fd", String(STATUS_FD), "--args", String(ARGUMENTS_FD), "--", ...inner],
    // bubblewrap itself runs outside the sandbox: nothing of the runtime's environment may steer it.
    env: {},
    cwd: "/",
    depth: request.tty === undefined ? 2 : 3,
    sandboxInput: Object.entries(env)
      .map(([key, value]) => `--setenv\0${key}\0${value}\0`)
      .join(""),
  };
}

/** Gives 126 and 127 as shells do, where bubblewrap alone says 1. `env` reads a word with `=` as an assignment. */
function launched(argv: readonly string[]): readonly string[] {
  return argv[0]?.includes("=")
    ? ["/bin/sh", "-c", 'exec "$0" "$@"', ...argv]
    : ["/usr/bin/env", "--", ...argv];
}

async function requireScript(context: LocalContext): Promise<void> {
  if ((await findProgram("script", context.deps.env)) !== undefined) return;
  throw new SandkeepError("a terminal needs the program script, which is not on PATH", {
    code: "LOCAL_NO_SCRIPT",
    hint: "install it: apt-get install bsdutils",
  });
}

/** A path of the runtime on this machine, where nothing but the workspace target has another name outside. */
function plainPath(runtime: OpenRuntime, path: string): string {
  const inside = posix.relative(runtime.spec.workspace.target, path);
  return inside === ".." || inside.startsWith("../") ? path : join(runtime.workspace, inside);
}

function emptyCommand(): SandkeepError {
  return new SandkeepError("there is no command to run", {
    code: "LOCAL_NO_COMMAND",
    hint: "give a command after `--`",
  });
}

function noSuchFolder(cwd: string): SandkeepError {
  return new SandkeepError(`the working directory ${cwd} does not exist`, {
    code: "LOCAL_NO_DIRECTORY",
    hint: "give a folder that exists inside the runtime",
  });
}
