// One step in the life of a fleet as a script would do it: a loop over the engine's API, with no health, no labels, and
// nothing remembered. Says how many milliseconds the loop took, without the start of its process.
import Docker from "dockerode";

const [socketPath, step, size, prefix, image] = process.argv.slice(2);
const AT_ONCE = 8;
const docker = new Docker({ socketPath });
const nameOf = (index) => `${prefix}-bare-${index}`;

async function make(index) {
  const container = await docker.createContainer({
    name: nameOf(index),
    Image: image,
    Entrypoint: ["sleep"],
    Cmd: ["infinity"],
    WorkingDir: "/workspace",
    Volumes: { "/workspace": {} },
    Env: ["LANG=C.UTF-8"],
    HostConfig: {
      Init: true,
      NetworkMode: "none",
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      PidsLimit: 512,
      Tmpfs: { "/run": "", "/tmp": "", "/var/tmp": "" },
    },
  });
  await container.start();
}

const drop = (index) => docker.getContainer(nameOf(index)).remove({ force: true, v: true });

const STEPS = {
  create: make,
  look: (index) => docker.getContainer(nameOf(index)).inspect(),
  async recreate(index) {
    await drop(index);
    await make(index);
  },
  destroy: drop,
};

let next = 0;
const started = performance.now();
if (step === "look") await docker.listContainers({ all: true });
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    while (next < Number(size)) await STEPS[step](next++);
  }),
);
process.stdout.write(`${performance.now() - started}\n`);
