import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Lab, REMOTE } from "../support/memory-fleet.ts";

it("tells how much of a workspace is copied while it is, and in the end", async () => {
  await using lab = new Lab();
  await lab.write({
    hosts: REMOTE,
    sandbox: { backend: "docker", docker: { image: "img:a" }, workspace: { access: "rw" }, host: "b1" },
    agents: { a: {} },
  });
  await writeFile(join(lab.repo, "large"), Buffer.alloc(9 * 1024 * 1024, 1));
  await lab.apply();
  const told = lab.events.flatMap((event) =>
    event.type === "step.progress" && event.op === "seed" ? [event.message] : [],
  );
  expect(told.length).toBeGreaterThan(1);
  expect(told.length).toBeLessThan(5);
  expect(told.at(-1)).toBe("copied 9MiB of the workspace");
});
