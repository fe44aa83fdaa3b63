/**
 * The one way git is started here. In: a question that reads a repository, and the folder it is asked in. Out: what git
 * said. A sandbox may have written the repository's settings and contents, so no hook, monitor or transport that they name is
 * ever started, and a partial clone fetches nothing.
 */

export interface GitQuestion {
  readonly cwd: string;
  /** Ours; of it git gets only where programs and its user's settings are. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly input?: Buffer;
  /** Milliseconds after which it is killed: what it reads may be a pipe that nobody writes to. */
  readonly patienceMs: number;
}

export interface GitAnswer {
  readonly code: number;
  readonly out: Buffer;
  readonly err: string;
}

const SETTINGS = ["core.fsmonitor=false", "core.hooksPath=/dev/null"].flatMap((each) => ["-c", each]);

/** Rejects where git cannot be started or is killed. */
export async function askGit(args: readonly string[], question: GitQuestion): Promise<GitAnswer> {
  const { cwd, env, input, patienceMs } = question;
  const { execFile } = await import("node:child_process");
  const options = {
    cwd,
    // What a hook or a shell set for another repository must not answer for this one.
    env: {
      PATH: env["PATH"],
      HOME: env["HOME"],
      LC_ALL: "C",
      GIT_ALLOW_PROTOCOL: "none",
      GIT_NO_LAZY_FETCH: "1",
      GIT_OPTIONAL_LOCKS: "0",
      GIT_TERMINAL_PROMPT: "0",
    },
    encoding: "buffer",
    maxBuffer: Infinity,
    timeout: patienceMs,
    killSignal: "SIGKILL",
  } as const;
  return new Promise((settle, reject) => {
    const child = execFile("git", [...SETTINGS, ...args], options, (error, out, err) => {
      const code = error === null ? 0 : error.code;
      if (typeof code === "number") settle({ code, out, err: err.toString() });
      else reject(error?.killed === true ? new Error(`no answer within ${patienceMs} ms`) : error);
    });
    // It may end without having read all of it.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
  });
}
