import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { describeWithServices } from "../support/services.ts";
import { PrivateEngine } from "./engine/private-engine.ts";

const exists = (pid: number): Promise<boolean> =>
  readFile(`/proc/${pid}/status`, "utf8").then(
    (status) => !/^State:\s+Z/m.test(status),
    () => false,
  );

describeWithServices("an engine of the tests that ends without its containers", () => {
  test("takes them with it when the services end", async () => {
    let pid = 0;
    {
      await using engine = await PrivateEngine.open();
      const container = await engine.docker.createContainer({
        Image: "sandkeep-test/busybox:1",
        Cmd: ["sleep", "infinity"],
      });
      await container.start();
      pid = (await container.inspect()).State.Pid;
      await engine.down("SIGKILL");
      expect(await exists(pid)).toBe(true);
    }
    expect(await exists(pid)).toBe(false);
  });
});
