import { expect, test } from "vitest";
import { describeWithServices } from "../support/services.ts";
import { isAlive, PrivateEngine } from "./engine/private-engine.ts";

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
      expect(await isAlive(pid)).toBe(true);
    }
    expect(await isAlive(pid)).toBe(false);
  });
});
