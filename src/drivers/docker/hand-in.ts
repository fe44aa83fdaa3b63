import { Writable } from "node:stream";
import { SandkeepError } from "../../errors.ts";
import type { DriverDeps } from "../driver.ts";
import type { Engine } from "./client.ts";
import { NOT_FOUND, exec } from "./exec.ts";

/** Who is to get secrets, for the error. */
interface Consumer {
  readonly whose: string;
  /** What that takes of the image. */
  readonly needs: string;
  readonly exitCode?: number;
}

export interface HandIn extends Consumer {
  readonly objectId: string;
  /** Takes them from its stdin. */
  readonly argv: readonly string[];
}

/** Puts secrets into a container's memory by a command of ours, whose stdin they are. */
export async function handIn(
  engine: Engine,
  deps: DriverDeps,
  { objectId, argv, ...consumer }: HandIn,
  lines: string,
): Promise<void> {
  const nothing = new Writable({ write: (_chunk, _encoding, done) => done() });
  const request = { objectId, argv, env: {}, cwd: "/", stdout: nothing, stderr: nothing };
  const { exitCode } = await (await exec(engine, deps, request, { first: lines })).result;
  if (exitCode !== 0) throw notTaken(consumer, exitCode);
}

export function notTaken({ whose, needs, exitCode }: Consumer, code: number): SandkeepError {
  const why = OUTCOMES[code] ?? `exit ${String(code)}`;
  return new SandkeepError(`${whose} did not take its secrets (${why})`, {
    code: "DOCKER_SECRETS",
    blame: "backend",
    hint: `for a command that gets secrets the image needs ${needs}`,
    ...(exitCode === undefined ? {} : { exitCode }),
  });
}

const OUTCOMES: Readonly<Record<number, string>> = {
  73: "they could not be written into the container's memory",
  74: "they did not arrive whole",
  75: "it did not wait for them",
  126: "there is no shell",
  [NOT_FOUND]: "there is no shell",
};
