// What a backend that makes no runtimes promises: nothing to make or remove, and commands as exact as anywhere.
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Driver, ExecHandle, ReadDriver } from "../../src/drivers/driver.ts";
import type { ReturnedChanges } from "../../src/util/returned-changes.ts";
import { everyArgv } from "../support/processes.ts";
import type { ContractCommands, ContractHarness, Ran, SpecInput } from "./harness.ts";
import { Fleet, until } from "./harness.ts";

export interface EphemeralCommands extends Pick<
  ContractCommands,
  "exit" | "both" | "cat" | "print" | "pwd" | "waitForChild"
> {
  /** Writes `made/new.txt` with the text `new`, deletes `keep.txt`, exits with 3. */
  change(): readonly string[];
  /** The text of `keep.txt`. */
  read(): readonly string[];
}

export interface EphemeralHarness extends Omit<ContractHarness, "commands" | "behind" | "live" | "variants"> {
  readonly commands: EphemeralCommands;
  /** True once the worker, where it can be looked at from here, has begun the command with this tag. */
  readonly begun: (tag: string) => Promise<boolean>;
}

interface Brought {
  readonly changed: Readonly<Record<string, string>>;
  readonly deleted: readonly string[];
}

interface Build extends Ran {
  /** Undefined when nothing was handed back. */
  readonly brought: Brought | undefined;
  readonly changesLost: boolean;
  /** How often it was told, before the result, that nothing of the command runs any more. */
  readonly overs: number;
}

export function describeEphemeralContract(title: string, makeHarness: () => Promise<EphemeralHarness>): void {
  describe(title, () => {
    let harness: EphemeralHarness;
    let driver: Driver;
    beforeAll(async () => {
      harness = await makeHarness();
      driver = await harness.module.open(harness.host, harness.deps);
    });
    afterAll(async () => {
      await driver?.[Symbol.asyncDispose]();
      await harness?.[Symbol.asyncDispose]();
    });

    async function begin(
      argv: readonly string[],
      input: Partial<SpecInput> = {},
      env: Record<string, string> = {},
      stdin?: Readable,
    ) {
      const fleet = new Fleet(
        { ...harness, behind: NOTHING, live: [], variants: {}, commands: TERMINALLESS },
        driver,
      );
      const spec = await fleet.spec(input);
      const [stdout, stderr] = [new PassThrough(), new PassThrough()];
      const output = Promise.all([buffer(stdout), buffer(stderr)]);
      let brought: Brought | undefined;
      let overs = 0;
      const bringBack = async (changes: ReturnedChanges): Promise<void> => {
        brought = await look(changes);
      };
      const handle = await driver.exec({
        objectId: "agent/a",
        build: { spec, bringBack, over: async () => void (overs += 1) },
        argv,
        env,
        ...(stdin === undefined ? {} : { stdin }),
        stdout,
        stderr,
      });
      const ran = async (): Promise<Build> => {
        const { exitCode, changesLost = false } = await handle.result;
        stdout.end();
        stderr.end();
        const [out, err] = await output;
        return { exitCode, stdout: out, stderr: err, brought, changesLost, overs };
      };
      return { handle, ran: ran() } satisfies { handle: ExecHandle; ran: Promise<Build> };
    }
    const run = async (...given: Parameters<typeof begin>): Promise<Build> => (await begin(...given)).ran;

    it("says that it makes no runtimes, has none, and is ready", async () => {
      expect(harness.module.capabilities.lifecycle).toBe("ephemeral");
      const seen = await driver.observe({ fleet: "nobody", names: [] });
      expect(seen).toMatchObject({ status: "complete", runtimes: [], foreign: [], dormant: [] });
      expect((await driver.probe()).status).not.toBe("unavailable");
      expect(await driver.inspect("agent/a")).toBeUndefined();
    });

    it("refuses to make, change or remove one", async () => {
      for (const call of [
        () => driver.start("a"),
        () => driver.stop("a"),
        () => driver.remove("a", "delete"),
        () => driver.rename("a", "b"),
        () => driver.mark({ fleet: "f", names: [] }, "agent/a", undefined),
      ])
        await expect(call()).rejects.toMatchObject({ code: "EPHEMERAL_BACKEND", kind: "terminal" });
    });

    it("answers 'unobserved' when the worker is away, never an empty list", async () => {
      await using away: ReadDriver = await harness.unreachable("nobody");
      expect((await away.observe({ fleet: "nobody", names: [] })).status).toBe("unobserved");
    });

    it("returns exit codes exactly", async () => {
      for (const code of [0, 1, 37, 127, 255]) {
        expect((await run(harness.commands.exit(code))).exitCode).toBe(code);
      }
      expect([126, 127]).toContain((await run(["/no/such/program"])).exitCode);
    });

    it("keeps stdout and stderr apart, starts in the workspace, and knows its variables", async () => {
      const both = await run(harness.commands.both());
      expect([both.stdout.toString(), both.stderr.toString()]).toEqual(["out\n", "err\n"]);
      expect((await run(harness.commands.pwd())).stdout.toString().trim()).toBe("/workspace");
      const printed = await run(harness.commands.print("FROM_SPEC"), { env: { FROM_SPEC: "spec value" } });
      expect(printed.stdout.toString()).toBe("spec value\n");
    });

    it("hands back what a command changed, also one that failed, and nothing else", async () => {
      const ran = await run(harness.commands.change());
      expect(ran.exitCode).toBe(3);
      expect(ran.brought?.changed).toEqual({ made: "folder", "made/new.txt": "new\n" });
      expect(ran.brought?.deleted).toEqual(["keep.txt"]);
      expect(ran.overs).toBe(0);
      const idle = await run(harness.commands.read());
      expect(idle.brought).toEqual({ changed: {}, deleted: [] });
    });

    it("brings nothing back where the workspace is only to be read, and sends none where there is no access", async () => {
      const read = await run(harness.commands.change(), { access: "ro" });
      expect([read.exitCode, read.brought?.changed ?? {}]).toEqual([3, {}]);
      const none = await run(harness.commands.read(), { access: "none" });
      expect(none.exitCode).not.toBe(0);
      expect(none.stdout.toString()).toBe("");
    });

    it("ends with the signal's code, leaves nothing running, and no secret is in an argv", async () => {
      const tag = `300.${String(randomBytes(4).readUInt32BE(0)).padStart(10, "0")}`;
      const secret = `s3cret ${randomBytes(8).toString("hex")} "$HOME" 'x'`;
      const printed = await run(harness.commands.print("TOKEN"), {}, { TOKEN: secret });
      expect(printed.stdout.toString()).toBe(`${secret}\n`);
      const waiting = await begin(harness.commands.waitForChild(tag), {}, { TOKEN: secret });
      await until(() => harness.begun(tag), "the command to begin", 45_000);
      expect((await everyArgv()).filter((argv) => argv.includes(secret))).toEqual([]);
      await waiting.handle.signal("SIGTERM");
      const ran = await waiting.ran;
      expect([ran.exitCode, ran.brought, ran.changesLost, ran.overs]).toEqual([143, undefined, true, 1]);
      await until(
        async () => !(await everyArgv()).some((argv) => argv.includes(tag)),
        "the end of the child",
      );
    });

    it("gives a command its input, byte for byte, and one that reads none of it just ends", async () => {
      for (const bytes of [0, 3, 1_200_000]) {
        const input = randomBytes(bytes);
        const ran = await run(harness.commands.cat(), {}, {}, Readable.from(bytes === 0 ? [] : [input]));
        expect([ran.exitCode, ran.stdout.equals(input)], `${bytes} bytes`).toEqual([0, true]);
      }
      const more = Readable.from([randomBytes(1_200_000)]);
      expect((await run(harness.commands.exit(4), {}, {}, more)).exitCode).toBe(4);
      expect((await run(harness.commands.cat())).stdout.length).toBe(0);
    });

    it("ends one that still waits for the end of its input", async () => {
      const { handle, ran } = await begin(harness.commands.cat(), {}, {}, new PassThrough());
      await handle.signal("SIGTERM");
      expect(await ran).toMatchObject({ exitCode: 143, brought: undefined });
    });

    it("runs several commands at once without mixing them up", async () => {
      const values = ["a", "b", "c"];
      const runs = await Promise.all(values.map((each) => run(harness.commands.print("V"), {}, { V: each })));
      expect(runs.map((ran) => ran.stdout.toString())).toEqual(["a\n", "b\n", "c\n"]);
    });
  });
}

/** The fleet of the suite is only asked for specs. */
const NOTHING: ContractHarness["behind"] = {
  remove: async () => undefined,
  foreign: async () => ({ [Symbol.asyncDispose]: async () => undefined }),
};
const none = (): readonly string[] => [];
const TERMINALLESS: ContractCommands = {
  exit: none,
  both: none,
  cat: none,
  print: none,
  pwd: none,
  waitForChild: none,
  terminalSize: none,
};

async function look({ folder, changed, deleted, skipped }: ReturnedChanges): Promise<Brought> {
  expect(skipped).toEqual([]);
  const found: Record<string, string> = {};
  for (const { path, type } of changed) {
    found[path] = type === "file" ? await readFile(join(folder, path), "utf8") : type;
  }
  return { changed: found, deleted };
}
