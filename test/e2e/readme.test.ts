import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Example, execute } from "../examples/example.ts";
import { blockWith, blocks } from "../examples/readme.ts";
import { describeWithServices } from "../support/services.ts";

/** How long ago differs from run to run. */
const timeless = (text: string) => text.replaceAll(/idle for \S+/g, "idle for a while");

describeWithServices("the README's plan", (services) => {
  test("is what sandkeep prints", async () => {
    const { host, images } = services().docker;
    await using example = await Example.of("single-agent-docker", { DOCKER_HOST: host });
    const file = join(example.fleet, "sandkeep.toml");
    const docker = async (...args: readonly string[]) => {
      const ended = await execute("/usr/bin/docker", ["-H", host, ...args], { cwd: example.root });
      expect(ended.code, ended.stderr).toBe(0);
      return ended.stdout.trim();
    };
    const change = (from: string, to: string) => {
      const text = readFileSync(file, "utf8");
      expect(text).toContain(from);
      writeFileSync(file, text.replace(from, to));
    };
    const [config = ""] = blocks("toml");
    const image = /^image += "(.*)"$/m.exec(config)?.[1] ?? "";
    writeFileSync(file, config);
    // The engine of the tests can pull nothing: a small image stands under the name that the README uses.
    await docker("tag", images.busybox, image);
    try {
      const applied = await example.sandkeep("apply", "--yes");
      expect(applied.code, applied.stderr).toBe(0);
      // The three things that the README tells.
      const id = await docker(
        "ps",
        "--quiet",
        "--filter",
        "label=sandkeep.fleet=demo",
        "--filter",
        "label=sandkeep.address=agent/main",
      );
      await docker("update", "--memory", "4g", "--memory-swap", "4g", id);
      change('access = "ro"', 'access = "rw"\n\n[agents.docs]');

      const planned = await example.sandkeep("plan", "--detailed-exitcode");
      expect(planned.code).toBe(2);
      expect(timeless(`$ sandkeep plan --detailed-exitcode\n${planned.stdout}`)).toBe(
        timeless(blockWith("console", "Plan for fleet demo")),
      );
    } finally {
      await example.sandkeep("destroy", "--all", "--yes");
      await docker("rmi", image);
    }
  });
});
