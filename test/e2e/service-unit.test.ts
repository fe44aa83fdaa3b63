import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Example, execute } from "../examples/example.ts";
import { describeWithServices } from "../support/services.ts";

/** Exposure of at most 2.0 of 10, as `systemd-analyze security` counts it. */
const THRESHOLD = 20;

// Not for the services themselves, but for systemd-analyze, which comes with them.
describeWithServices("sandkeep.service of examples/build-host", () => {
  test("is a valid unit", async () => {
    await using example = await Example.of("build-host");
    const { file, folder } = installed(example);
    const ended = await execute("systemd-analyze", ["verify", "--man=no", file], { cwd: folder });
    expect(ended).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  test("is refused when it is not", async () => {
    await using example = await Example.of("build-host");
    const { file, folder } = installed(example, (text) => text.replace("Type=exec", "Type=sometimes"));
    const ended = await execute("systemd-analyze", ["verify", "--man=no", file], { cwd: folder });
    expect(ended.stderr).toContain("sometimes");
  });

  test("is hardened", async () => {
    await using example = await Example.of("build-host");
    const { file, folder } = installed(example);
    const args = ["security", "--offline=true", "--no-pager", `--threshold=${THRESHOLD}`, file];
    const ended = await execute("systemd-analyze", args, { cwd: folder });
    expect(ended.code, ended.stdout).toBe(0);
  });

  test("stops later than a drain may take, and starts with a command that exists", async () => {
    await using example = await Example.of("build-host");
    const unit = readFileSync(join(example.fleet, "sandkeep.service"), "utf8");
    const value = (key: string) => new RegExp(`^${key}=(.*)$`, "m").exec(unit)?.[1] ?? "";
    expect(Number(value("TimeoutStopSec"))).toBeGreaterThan(30);
    expect(value("KillSignal")).toBe("SIGTERM");
    expect(value("Type")).toBe("exec");
    expect(value("Restart")).toBe("on-failure");
    const [program, ...args] = value("ExecStart").split(" ");
    expect(program).toBe("/usr/local/bin/sandkeep");
    const file = args[args.indexOf("--file") + 1] ?? "";
    expect(file).toBe("/etc/sandkeep/sandkeep.toml");
    // Its own command line, but for the place of the file and one cycle instead of months, with no agent to make.
    example.rewrite((text) => text.replace(/\n\[agents[^]*?\n\[guards\]/, "\n[guards]"));
    const here = args.map((each) => (each === file ? join(example.fleet, "sandkeep.toml") : each));
    const ended = await example.sandkeep(...here, "--once");
    expect(ended.code, ended.stderr).toBe(0);
  });
});

/** The unit as it lies on a host, except that the program it starts is one that every machine has. */
function installed(example: Example, change: (text: string) => string = (text) => text) {
  const folder = join(example.root, "system");
  mkdirSync(folder);
  const file = join(folder, "sandkeep.service");
  const text = readFileSync(join(example.fleet, "sandkeep.service"), "utf8");
  writeFileSync(file, change(text.replace("/usr/local/bin/sandkeep", process.execPath)));
  return { file, folder };
}
