/** Runs one command in a runtime on the host: in its workspace, or in a sandbox that shows it little more than that. */
import { randomBytes } from "node:crypto";
import type { RemoteProcess, RunRequest } from "../../remote/connection.ts";
import type { Program } from "../../remote/program.ts";
import { DEFAULT_PATH } from "../../util/program.ts";
import { signalExit } from "../../util/signal-exit.ts";
import { hasCode, SandkeepError } from "../../errors.ts";
import type { ExecHandle, ExecRequest, ExecResult } from "../driver.ts";
import { noBubblewrap, SANDBOX_HOME, sandboxOf } from "./bubblewrap.ts";
import type { SshContext } from "./context.ts";
import { broken } from "./errors.ts";
import type { Limits } from "./limits.ts";
import { limitsOf, notLimited, setLimits, withinLimits } from "./limits.ts";
import type { OpenRuntime } from "./runtime.ts";
import { belowWorkspace, openRuntime, workspaceGone } from "./runtime.ts";
import type { SshSpec } from "./spec.ts";
import { readSshSpec } from "./spec.ts";

/** `$1` folder, then the command. A name that begins with a dash is no option of `exec`. */
const RUN = `
cd "$1" || exit 126
shift
case $1 in -*) exec env -- "$@";; *) exec "$@";; esac
`;

export async function execute(context: SshContext, request: ExecRequest): Promise<ExecHandle> {
  if (request.argv.length === 0) throw emptyCommand();
  const { limited, ...program } = await programOf(context, request);
  const { stdin, stdout, stderr, tty } = request;
  const killedBefore = limited === undefined ? 0 : await setLimits(context, request.objectId, limited);
  const running = await context.connection
    .run({
      ...program,
      stdout,
      stderr,
      ...(stdin === undefined ? {} : { stdin }),
      ...(tty === undefined ? {} : { tty }),
    })
    .catch((thrown: unknown) => {
      throw limited === undefined ? thrown : unproved(context, thrown);
    });
  let signalled = false;
  const ended = async (): Promise<ExecResult> => {
    try {
      const exitCode = await running.result;
      if (limited === undefined || exitCode !== KILLED || signalled) return { exitCode };
      const killed = await setLimits(context, request.objectId, limited).catch(() => killedBefore);
      return killed > killedBefore ? { exitCode, because: "out-of-memory" } : { exitCode };
    } catch (thrown) {
      throw program.onLost === "kill" ? await afterLoss(thrown, running) : thrown;
    }
  };
  const result = ended();
  // A caller may look at it late; until then a failure must not count as unhandled.
  result.catch(() => undefined);
  return {
    result,
    signal: async (name) => {
      signalled ||= name === "SIGKILL";
      await running.signal(name);
    },
    resize: async (size) => running.resize(size),
  };
}

/** What a command of ours said in its place, because it would not have been under the limits. */
function unproved({ host }: SshContext, thrown: unknown): unknown {
  if (!hasCode(thrown, "SSH_NO_SHELL")) return thrown;
  const said = /sandkeep-limits: (.*)/.exec(thrown.message)?.[1] ?? thrown.message;
  return notLimited(host.name, said);
}

/** What a lost connection left is ended before anybody is told, and what is not certain of that is told as well. */
async function afterLoss(thrown: unknown, running: RemoteProcess): Promise<unknown> {
  if (!hasCode(thrown, "SSH_LOST")) return thrown;
  const isOver = await running.end().catch(() => false);
  const told = isOver
    ? "it was ended there"
    : "it may still be running there, and is ended once sshd sees the loss";
  return new SandkeepError(`${thrown.message}; ${told}`, {
    code: thrown.code,
    kind: "unreachable",
    blame: "backend",
    hint: "nothing is known of its outcome; look at what it was to do before you run it again",
    cause: thrown,
  });
}

type Losing = Pick<RunRequest, "onLost" | "keptIn">;
type Prepared = Program & Losing & { readonly limited?: Limits };

/** Exit code of what SIGKILL ended. */
const KILLED = signalExit("SIGKILL");

async function programOf(context: SshContext, request: ExecRequest): Promise<Prepared> {
  const { objectId, cwd } = request;
  // The target is known only from the manifest; the usual one is guessed, and looked at again where it was another.
  const first = await openRuntime(context, objectId, relativeTo("/workspace", cwd));
  if (first.manifest === undefined) throw broken(objectId);
  const spec = readSshSpec(first.manifest.fields);
  const target = spec["workspace.target"];
  const runtime =
    target === "/workspace" || cwd === undefined
      ? first
      : await openRuntime(context, objectId, relativeTo(target, cwd));
  if (runtime.workspace === undefined) throw workspaceGone();
  const program: Program & Losing =
    spec["ssh.isolation"] === "none"
      ? plainProgram(runtime, runtime.workspace, spec, request)
      : sandboxProgram(context, runtime, runtime.workspace, spec, request);
  const limited = limitsOf(spec);
  return limited === undefined
    ? program
    : { ...program, limited, within: withinLimits(objectId, limited, program.within) };
}

function relativeTo(target: string, cwd: string | undefined): string {
  return cwd === undefined ? "." : (belowWorkspace(target, cwd) ?? cwd);
}

function environment(
  { user }: OpenRuntime,
  spec: SshSpec,
  request: ExecRequest,
  place: { readonly home: string; readonly tmp: string },
): Record<string, string> {
  const env = {
    PATH: DEFAULT_PATH,
    HOME: place.home,
    TMPDIR: place.tmp,
    LANG: "C.UTF-8",
    USER: user,
    LOGNAME: user,
    ...(request.tty === undefined ? {} : { TERM: "xterm-256color" }),
    ...spec.env,
    ...request.env,
  };
  const odd = Object.keys(env).find((name) => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name));
  if (odd === undefined) return env;
  throw new SandkeepError(`${JSON.stringify(odd)} cannot be the name of a variable on the host`, {
    code: "SSH_VARIABLE",
    hint: "use letters, digits and underscores, and no digit first",
  });
}

function plainProgram(
  runtime: OpenRuntime,
  workspace: string,
  spec: SshSpec,
  request: ExecRequest,
): Program & Losing {
  const { cwd } = request;
  if (!runtime.hasFolder) throw noSuchFolder(cwd ?? spec["workspace.target"]);
  const way = relativeTo(spec["workspace.target"], cwd);
  const folder = way.startsWith("/") ? way : way === "." ? workspace : `${workspace}/${way}`;
  const place = { home: `${runtime.dir}/home`, tmp: `${runtime.dir}/tmp` };
  return {
    script: RUN,
    args: [folder, ...request.argv],
    env: environment(runtime, spec, request, place),
    ...losing(runtime, spec, request),
  };
}

/** A terminal is not taken up again: what it showed is gone with it. */
function losing({ dir }: OpenRuntime, spec: SshSpec, { tty }: ExecRequest): Losing {
  const asked = spec["ssh.on_disconnect"];
  if (asked !== "reattach") return { onLost: asked };
  return tty === undefined
    ? { onLost: "kill", keptIn: `${dir}/runs/${randomBytes(8).toString("hex")}` }
    : { onLost: "kill" };
}

function sandboxProgram(
  { host }: SshContext,
  runtime: OpenRuntime,
  workspace: string,
  spec: SshSpec,
  request: ExecRequest,
): Program & Losing {
  if (!runtime.hasBubblewrap) throw noBubblewrap(host.name);
  return {
    script: RUN,
    args: [request.cwd ?? spec["workspace.target"], ...request.argv],
    env: environment(runtime, spec, request, { home: SANDBOX_HOME, tmp: "/tmp" }),
    ...losing(runtime, spec, request),
    within: sandboxOf(runtime.dir, workspace, spec),
  };
}

function emptyCommand(): SandkeepError {
  return new SandkeepError("there is no command to run", {
    code: "SSH_NO_COMMAND",
    hint: "give a command after `--`",
  });
}

function noSuchFolder(cwd: string): SandkeepError {
  return new SandkeepError(`the working directory ${cwd} does not exist on the host`, {
    code: "SSH_NO_DIRECTORY",
    hint: "give a folder that exists inside the runtime",
  });
}
