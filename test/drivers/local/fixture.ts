import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import type {
  Driver,
  DriverDeps,
  ExecHandle,
  ExecRequest,
  ObserveScope,
} from "../../../src/drivers/driver.ts";
import { localDriver } from "../../../src/drivers/local/index.ts";
import type { JsonObject } from "../../../src/model/json.ts";
import type { RuntimeLabels } from "../../../src/model/labels.ts";
import type { Observation, ObservedRuntime } from "../../../src/model/observed.ts";
import type { Spec } from "../../../src/model/spec.ts";

export const NAME = "team-agent-work-1a2b3c4d";

/** A state directory and a workspace of its own for one test, with a driver opened on them. */
export interface Bench extends AsyncDisposable {
  readonly base: string;
  readonly stateDir: string;
  readonly workspace: string;
  readonly fleetDir: string;
  readonly deps: DriverDeps;
  readonly driver: Driver;
  readonly scope: ObserveScope;
}

export async function bench(env: Record<string, string | undefined> = process.env): Promise<Bench> {
  const base = await realpath(await mkdtemp(join(tmpdir(), "sandkeep-local-")));
  const stateDir = join(base, "state");
  const workspace = join(base, "project");
  await mkdir(workspace);
  const fleet = `f${randomBytes(4).toString("hex")}`;
  const deps: DriverDeps = {
    stateDir,
    env,
    now: () => Date.now(),
    randomId: () => randomBytes(8).toString("hex"),
  };
  return {
    base,
    stateDir,
    workspace,
    fleetDir: join(stateDir, "local", fleet),
    deps,
    driver: await localDriver.open(undefined, deps),
    scope: { fleet, fleet_id: "id1", names: [NAME] },
    [Symbol.asyncDispose]: () => rm(base, { recursive: true, force: true, maxRetries: 5 }),
  };
}

export interface Wish {
  readonly workspace?: JsonObject;
  readonly local?: JsonObject;
  readonly env?: Record<string, string>;
}

export function specOf(on: Bench, wish: Wish = {}): Spec {
  const isolated = wish.local?.["isolation"] === "bubblewrap";
  return {
    kind: "sandbox",
    backend: "local",
    values: {
      workspace: {
        source: on.workspace,
        access: "rw",
        target: "/workspace",
        provider: isolated ? "bind" : "link",
        ...wish.workspace,
      },
      env: wish.env ?? {},
      secrets: {},
      setup: [],
      local: {
        isolation: "none",
        home: "own",
        network: isolated ? "none" : "host",
        binds: [],
        ...wish.local,
      },
    },
  };
}

export function labelsOf(on: Bench, spec: Spec, extra: Partial<RuntimeLabels> = {}): RuntimeLabels {
  return {
    fleet: on.scope.fleet,
    fleet_id: "id1",
    address: "agent/work",
    kind: "sandbox",
    role: "primary",
    name: NAME,
    agent: "work",
    spec_hash: `v1:sha256:${"a".repeat(64)}`,
    spec,
    secrets: {},
    protect: false,
    owner: "owner1",
    created_at: 1000,
    candidate_until: 0,
    ...extra,
  };
}

export async function make(on: Bench, wish: Wish = {}, name = NAME): Promise<string> {
  const spec = specOf(on, wish);
  return (await on.driver.create({ name, labels: labelsOf(on, spec), spec })).objectId;
}

export async function complete(
  on: Bench,
  scope = on.scope,
): Promise<Extract<Observation, { status: "complete" }>> {
  const observation = await on.driver.observe(scope);
  if (observation.status !== "complete") throw new Error(`unobserved: ${observation.message}`);
  return observation;
}

export async function only(on: Bench): Promise<ObservedRuntime> {
  const { runtimes } = await complete(on);
  if (runtimes.length !== 1 || runtimes[0] === undefined) throw new Error(`${runtimes.length} runtimes`);
  return runtimes[0];
}

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function collector(): { readonly stream: PassThrough; text(): string } {
  const stream = new PassThrough();
  let text = "";
  stream.on("data", (chunk) => {
    text += String(chunk);
  });
  return { stream, text: () => text };
}

export async function started(
  on: Bench,
  objectId: string,
  argv: readonly string[],
  extra: Partial<ExecRequest> = {},
): Promise<{ readonly handle: ExecHandle; readonly ran: Promise<Ran>; out(): string }> {
  const out = collector();
  const err = collector();
  const handle = await on.driver.exec({
    objectId,
    argv,
    env: {},
    stdout: out.stream,
    stderr: err.stream,
    ...extra,
  });
  const ran = handle.result.then(({ exitCode }) => ({ code: exitCode, out: out.text(), err: err.text() }));
  return { handle, ran, out: () => out.text() };
}

export async function run(
  on: Bench,
  objectId: string,
  argv: readonly string[],
  extra: Partial<ExecRequest> = {},
): Promise<Ran> {
  return (await started(on, objectId, argv, extra)).ran;
}

export function sh(script: string): readonly string[] {
  return ["sh", "-c", script];
}

export function input(text: string): Readable {
  return Readable.from([Buffer.from(text)]);
}

/** Waits until a look is true, at most ten seconds. */
export async function until(look: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 45_000;
  while (!(await look())) {
    if (Date.now() > end) throw new Error("it did not happen within 45 seconds");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const REPO = join(import.meta.dirname, "../../..");

/** A program of its own that uses the driver: it can be killed. `driver` is open on the bench's state directory. */
export async function program(on: Bench, body: string): Promise<string> {
  await symlink(join(REPO, "node_modules"), join(on.base, "node_modules"));
  await writeFile(join(on.base, "package.json"), '{ "type": "module" }');
  const config = {
    extends: join(REPO, "tsconfig.json"),
    compilerOptions: { noEmit: false, rootDir: REPO, outDir: "built" },
    include: [],
    files: [join(REPO, "src/drivers/local/index.ts")],
  };
  await writeFile(join(on.base, "tsconfig.json"), JSON.stringify(config));
  execFileSync(join(REPO, "node_modules/.bin/tsc"), ["-p", on.base]);
  const path = join(on.base, "program.js");
  await writeFile(
    path,
    `import { localDriver } from "./built/src/drivers/local/index.js";
     import { randomBytes } from "node:crypto";
     const randomId = () => randomBytes(8).toString("hex");
     const deps = { stateDir: ${JSON.stringify(on.stateDir)}, env: process.env, now: Date.now, randomId };
     const driver = await localDriver.open(undefined, deps);
     ${body}`,
  );
  return path;
}
