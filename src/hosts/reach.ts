/** Runs a constant script on a host, or on this machine, in one round trip: what it says comes back, or why nothing did. */
import { execFile } from "node:child_process";
import { homedir } from "node:os";
import { SandkeepError } from "../errors.ts";
import type { SecretRef } from "../model/settings.ts";
import { hostSecret } from "../plan/engine.ts";
import { openConnection } from "../remote/open.ts";
import type { Engine } from "../reconcile.ts";
import type { Place } from "./place.ts";
import { unreachablePlace } from "./place.ts";

const PATIENCE_MS = 60_000;
const MOST_ANSWER = 32 * 1024 * 1024;
/** What the engines' command lines go by; nothing else of the environment is their business. */
const PASSED = [
  "PATH",
  "HOME",
  "XDG_RUNTIME_DIR",
  "DOCKER_HOST",
  "DOCKER_CONTEXT",
  "DOCKER_CONFIG",
  "DOCKER_CERT_PATH",
  "DOCKER_TLS_VERIFY",
  "DOCKER_API_VERSION",
  "CONTAINER_HOST",
];

export interface ScriptCall {
  readonly script: string;
  readonly args: readonly string[];
  /** It changes nothing, so that it may be tried again. */
  readonly reads?: boolean;
  readonly timeoutMs?: number;
}

export async function callOn(name: string, place: Place, call: ScriptCall, engine: Engine): Promise<Buffer> {
  if (place.via === "local") return callHere(call, engine);
  if (place.via === "engine") throw unreachablePlace(name);
  const { env } = engine;
  const randomId = (): string => engine.randomId();
  const secret = async (ref: SecretRef, folder: string): Promise<string> => hostSecret(engine, ref, folder);
  await using connection = openConnection(name, place.ssh, { env, randomId, secret });
  const { script, args, reads = false, timeoutMs = PATIENCE_MS } = call;
  const { code, stdout, stderr } = await connection.script({
    script,
    args,
    reads,
    timeoutMs,
    most: MOST_ANSWER,
  });
  if (code !== 0) throw failed(place.ssh.target, code, stderr);
  return stdout;
}

async function callHere(
  { script, args, timeoutMs = PATIENCE_MS }: ScriptCall,
  { env }: Engine,
): Promise<Buffer> {
  const kept = Object.fromEntries(PASSED.map((key) => [key, env[key]]));
  return new Promise((resolve, reject) => {
    execFile(
      "/bin/sh",
      ["-c", script, "sh", ...args],
      {
        cwd: "/",
        env: { ...kept, HOME: kept["HOME"] ?? homedir() },
        encoding: "buffer",
        timeout: timeoutMs,
        killSignal: "SIGKILL",
        maxBuffer: MOST_ANSWER,
      },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(failed("this machine", error.code ?? error.signal ?? "?", stderr.toString()));
      },
    );
  });
}

function failed(where: string, code: string | number, said: string): SandkeepError {
  const why = said.trim().slice(-500);
  return new SandkeepError(`the look at ${where} ended with ${String(code)}${why === "" ? "" : `: ${why}`}`, {
    code: "HOST_SCRIPT",
    kind: "transient",
    blame: "backend",
    hint: "it takes a POSIX shell with the usual programs of a Linux; try again",
  });
}
