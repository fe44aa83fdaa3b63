import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Docker from "dockerode";
import { expect, it } from "vitest";
import { describeWithServices } from "../support/services.ts";
import { Watching } from "../support/watching.ts";
import { median } from "./timing.ts";

const MAIN = join(import.meta.dirname, "../../dist/src/cli/main.cjs");
const ROUNDS = 9;
const GIVEN_MS = 300;

// How soon watch brings a killed container back, beside what the engine alone takes to make one.
describeWithServices("a killed container", (services) => {
  it("is back within the time it takes to make one, and a little", async () => {
    const folder = await mkdtemp("/tmp/sandkeep-bench-");
    const cwd = join(folder, "project");
    for (const each of [cwd, join(folder, "home")]) await mkdir(each);
    const { socket, images } = services().docker;
    const env = {
      ...process.env,
      HOME: join(folder, "home"),
      SANDKEEP_STATE_DIR: join(folder, "state"),
      DOCKER_HOST: `unix://${socket}`,
    };
    const docker = new Docker({ socketPath: socket });
    const fleet = `bench${process.pid}`;
    // Each round has an agent of its own: the same one would be parked for dying too often.
    const agents = Array.from({ length: ROUNDS }, (_, index) => `[agents.a${index}]`).join("\n");
    await writeFile(
      join(cwd, "sandkeep.toml"),
      `version = 1\nfleet = "${fleet}"\nfleet_id = "bench1"\n[sandbox]\nbackend = "docker"\n[sandbox.docker]\nimage = "${images.busybox}"\n${agents}\n`,
    );
    try {
      await using watch = new Watching({ main: MAIN, cwd, env });
      await watch.event("the first cycle", ({ type }) => type === "watch.cycle");
      const mine = await docker.listContainers({ filters: { label: [`sandkeep.fleet=${fleet}`] } });
      expect(mine).toHaveLength(ROUNDS);
      const made: number[] = [];
      const back: number[] = [];
      for (const { Id } of mine) {
        made.push(await createTime(docker, images.busybox));
        const seen = watch.events.length;
        back.push(await backAfter(docker, Id));
        // The cycle also proves it ready, which takes seconds, and holds the fleet's lease meanwhile.
        await watch.event("the end of the cycle", ({ type }) => type === "watch.cycle", seen);
      }
      const allowed = median(made) + GIVEN_MS;
      console.table([
        { what: "create and start one, bare", ms: Math.round(median(made)), ratio: "" },
        { what: `allowed: that and ${GIVEN_MS} ms`, ms: Math.round(allowed), ratio: "1.00" },
        {
          what: "killed until running again",
          ms: Math.round(median(back)),
          ratio: (median(back) / allowed).toFixed(2),
        },
      ]);
      expect(back.every((each) => Number.isFinite(each))).toBe(true);
    } finally {
      const destroy = spawn(process.execPath, [MAIN, "destroy", "--all", "--yes"], {
        cwd,
        env,
        stdio: "ignore",
      });
      await once(destroy, "close");
      await rm(folder, { recursive: true, force: true });
    }
  });
});

async function createTime(docker: Docker, image: string): Promise<number> {
  const began = performance.now();
  const made = await docker.createContainer({ Image: image, Cmd: ["sleep", "600"], NetworkDisabled: true });
  try {
    await made.start();
    return performance.now() - began;
  } finally {
    await made.remove({ force: true });
  }
}

/** From the return of the kill until the engine says that it runs again. */
async function backAfter(docker: Docker, id: string): Promise<number> {
  const container = docker.getContainer(id);
  const before = (await container.inspect()).State.StartedAt;
  await container.kill();
  const began = performance.now();
  for (;;) {
    const { State } = await container.inspect();
    if (State.Running && State.StartedAt !== before) return performance.now() - began;
    await sleep(5);
  }
}
