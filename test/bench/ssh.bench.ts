// A warm command on a host beside the system's ssh with a control socket, in one run; ratios below 1 are quicker.
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { openConnection } from "../../src/remote/open.ts";
import { describeWith } from "../support/services.ts";
import { startSshd } from "../support/sshd.ts";
import { median } from "./timing.ts";

const run = promisify(execFile);
const ROUNDS = 25;
/** As long as ssh itself, and how much more a loaded machine may make of it. */
const GOAL = 1;
const SLACK = 1.5;

describeWith(["ssh"], "a command on a host", () => {
  it("is quicker over a warm connection than ssh with a control socket", async () => {
    const home = await mkdtemp("/tmp/sk-bench-");
    await mkdir(join(home, ".ssh"));
    await using sshd = await startSshd();
    const options = {
      ControlPath: join(home, "c"),
      ControlMaster: "auto",
      ControlPersist: "60",
      BatchMode: "yes",
      UserKnownHostsFile: sshd.knownHostsFile,
      IdentityFile: sshd.keyFile,
    };
    const argv = [
      ...Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]),
      "-p",
      String(sshd.port),
      `${sshd.user}@127.0.0.1`,
    ];
    const ssh = async (): Promise<void> => void (await run("ssh", [...argv, "true"]));
    const over = (transport: "ssh2" | "openssh") => {
      const env = { PATH: process.env["PATH"], HOME: home };
      const connection = openConnection(transport, sshd.access({ transport }), { env, randomId: () => "1" });
      const exec = async (): Promise<void> => {
        const streams = { stdout: new PassThrough().resume(), stderr: new PassThrough().resume() };
        const command = { script: 'exec "$@"', args: ["true"], onLost: "kill", ...streams } as const;
        expect(await (await connection.run(command)).result).toBe(0);
      };
      return { connection, exec };
    };
    try {
      const [builtIn, system] = [over("ssh2"), over("openssh")];
      await using _first = builtIn.connection;
      await using _second = system.connection;
      const ways = {
        "ssh, ControlMaster": ssh,
        "sandkeep, ssh2": builtIn.exec,
        "sandkeep, openssh": system.exec,
      };
      const took = new Map<string, number[]>();
      // In turn, so that what else the machine does falls on all alike; the first round opens the connections.
      for (let round = 0; round <= ROUNDS; round += 1) {
        for (const [name, way] of Object.entries(ways)) {
          const started = performance.now();
          await way();
          if (round > 0) took.set(name, [...(took.get(name) ?? []), performance.now() - started]);
        }
      }
      const reference = median(took.get("ssh, ControlMaster"));
      console.table(
        [...took].map(([what, each]) => ({
          what,
          ms: median(each).toFixed(1),
          ratio: (median(each) / reference).toFixed(2),
        })),
      );
      const ratio = median(took.get("sandkeep, ssh2")) / reference;
      expect(ratio).toBeGreaterThan(0);
      expect(ratio).toBeLessThanOrEqual(GOAL * SLACK);
    } finally {
      await run("ssh", ["-O", "exit", ...argv]).catch(() => undefined);
      await rm(home, { recursive: true, force: true });
    }
  });
});
