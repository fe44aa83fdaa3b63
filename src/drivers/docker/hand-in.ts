import { Writable } from "node:stream";
import { SandkeepError } from "../../errors.ts";
import type { DriverDeps } from "../driver.ts";
import type { Engine } from "./client.ts";
import { NOT_FOUND, exec } from "./exec.ts";
import { OWN_EXEC } from "./execs.ts";

export interface HandIn {
  readonly objectId: string;
  /** Who is to get them, for the error. */
  readonly whose: string;
  /** Of that error. */
  readonly exitCode?: number;
  /** Takes them from its stdin. */
  readonly script: string;
  /** The script's only argument. */
  readonly path?: string;
}

/** Puts secrets into a container's memory by a command of ours, whose stdin they are. */
export async function handIn(
  engine: Engine,
  deps: DriverDeps,
  { objectId, whose, script, path, exitCode }: HandIn,
  lines: string,
): Promise<void> {
  const nothing = new Writable({ write: (_chunk, _encoding, done) => done() });
  const request = {
    objectId,
    argv: ["sh", "-c", script, OWN_EXEC, ...(path === undefined ? [] : [path])],
    env: {},
    cwd: "/",
    stdout: nothing,
    stderr: nothing,
  };
  const ended = await (await exec(engine, deps, request, { first: lines })).result;
  if (ended.exitCode !== 0) throw notTaken(whose, ended.exitCode, exitCode);
}

export function notTaken(whose: string, code: number, exitCode?: number): SandkeepError {
  const why = OUTCOMES[code] ?? `exit ${String(code)}`;
  return new SandkeepError(`${whose} did not take its secrets (${why})`, {
    code: "DOCKER_SECRETS",
    blame: "backend",
    hint: "the image needs sh, mkdir, mv, rm and sleep for a command that gets secrets",
    ...(exitCode === undefined ? {} : { exitCode }),
  });
}

const OUTCOMES: Readonly<Record<number, string>> = {
  73: "there is no room for them",
  74: "they did not arrive whole",
  75: "it did not wait for them",
  126: "there is no shell",
  [NOT_FOUND]: "there is no shell",
};
