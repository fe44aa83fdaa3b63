/**
 * A runtime's canonical volume, open: our scripts run beside the runtime, in a container of the same image that has the
 * volume and nothing else, so that neither what an agent did to its own programs nor who it runs as matters. That
 * container's name is the lock, and it lives as long as we do: its one program reads our connection.
 */
import type { Duplex } from "node:stream";
import { PassThrough } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { SandkeepError } from "../../errors.ts";
import { decodeLabels } from "../../model/labels.ts";
import type { OpenWorkspace } from "../../util/open-workspace.ts";
import type { RunScript } from "../../util/script-workspace.ts";
import { scriptWorkspace } from "../../util/script-workspace.ts";
import { failed } from "../../util/workspace-faults.ts";
import { SYNC_ANSWER } from "../../util/workspace-scripts.ts";
import type { DriverDeps } from "../driver.ts";
import type { Engine } from "./client.ts";
import { isGone } from "./errors.ts";
import { exec } from "./exec.ts";
import { OWN_EXEC } from "./execs.ts";
import { workspaceVolume } from "./mounts.ts";
import { findContainer, getContainer } from "./find-container.ts";
import type { Container } from "./wire-container.ts";
import { readCreated } from "./wire.ts";

const MOST_COMPLAINT = 4_000;
/** Another sync is waited for so long. */
const WAIT_MS = 5_000;
/** One that was made and does not run after so long is nobody's any more. */
const NEVER_BEGUN_MS = 30_000;
const LOOK_EVERY_MS = 250;

export async function openWorkspace(
  engine: Engine,
  deps: DriverDeps,
  objectId: string,
): Promise<OpenWorkspace> {
  const container = await getContainer(engine, objectId);
  const labels = decodeLabels(container.Config.Labels);
  const volume = labels === undefined ? undefined : workspaceVolume(labels);
  const mount = container.Mounts.find(({ Type, Name }) => Type === "volume" && Name === volume);
  if (mount === undefined) throw noVolume(objectId);
  const id = await makeAlone(engine, container, mount.Name, mount.Destination);
  let held: Duplex | undefined;
  const release = async (): Promise<void> => {
    held?.end();
    await removeHelper(engine, id);
    held?.destroy();
  };
  try {
    held = await begin(engine, id);
    const run: RunScript = async ({ script, args, stdin, stdout }) => {
      const stderr = new PassThrough();
      let said = "";
      stderr.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-MOST_COMPLAINT)));
      const { result } = await exec(
        engine,
        deps,
        {
          objectId: id,
          argv: ["sh", "-c", script, OWN_EXEC, ...args],
          env: {},
          cwd: mount.Destination,
          ...(stdin === undefined ? {} : { stdin }),
          stdout,
          stderr,
        },
        "0:0",
      );
      return { code: (await result).exitCode, said };
    };
    return scriptWorkspace({ run, tarOptions: "", [Symbol.asyncDispose]: release });
  } catch (thrown) {
    await release();
    throw thrown;
  }
}

function noVolume(objectId: string): SandkeepError {
  return new SandkeepError(`container ${objectId.slice(0, 12)} has no workspace volume of its own`, {
    code: "DOCKER_NO_WORKSPACE",
    hint: "`sandkeep plan` shows what it has for a workspace",
  });
}

/** Whoever makes it is alone with the volume. */
async function makeAlone(
  engine: Engine,
  container: Container,
  volume: string,
  target: string,
): Promise<string> {
  const name = `${volume}-sync`;
  const began = performance.now();
  for (;;) {
    try {
      return await makeHelper(engine, container, { name, volume, target });
    } catch (thrown) {
      if (!(thrown instanceof SandkeepError && thrown.kind === "conflict")) throw thrown;
      const waited = performance.now() - began;
      const holder = await findContainer(engine, name);
      if (waited > NEVER_BEGUN_MS && holder?.State.Status === "created")
        await removeHelper(engine, holder.Id);
      else if (waited > WAIT_MS && holder !== undefined && holder.State.Status !== "created")
        throw failed(SYNC_ANSWER.busy, "");
      await sleep(LOOK_EVERY_MS);
    }
  }
}

async function makeHelper(
  engine: Engine,
  container: Container,
  { name, volume, target }: { readonly name: string; readonly volume: string; readonly target: string },
): Promise<string> {
  const { Id } = await engine.json(
    {
      what: "open a workspace",
      method: "POST",
      path: "/containers/create",
      query: { name },
      body: {
        Image: container.Image,
        Entrypoint: ["sh", "-c", "cat >/dev/null"],
        Cmd: [],
        User: "0:0",
        WorkingDir: "/",
        OpenStdin: true,
        StdinOnce: true,
        AttachStdin: true,
        Labels: { "sandkeep.upload-for": container.Id },
        HostConfig: {
          AutoRemove: true,
          NetworkMode: "none",
          SecurityOpt: ["no-new-privileges"],
          Mounts: [{ Type: "volume", Source: volume, Target: target }],
        },
      },
    },
    readCreated,
  );
  return Id;
}

/** It ends when this connection does. */
async function begin(engine: Engine, id: string): Promise<Duplex> {
  const socket = await engine.hijack({
    what: "hold a workspace",
    method: "POST",
    path: `/containers/${id}/attach`,
    query: { stream: true, stdin: true },
  });
  socket.on("error", () => undefined);
  socket.resume();
  try {
    await engine.send({ what: "open a workspace", method: "POST", path: `/containers/${id}/start` });
  } catch (thrown) {
    socket.destroy();
    throw thrown;
  }
  return socket;
}

async function removeHelper(engine: Engine, id: string): Promise<void> {
  try {
    await engine.send({
      what: "close a workspace",
      method: "DELETE",
      path: `/containers/${id}`,
      query: { force: true, v: true },
    });
  } catch (thrown) {
    // It removes itself as well.
    if (isGone(thrown)) return;
    if (!(thrown instanceof SandkeepError) || !/removal .*in progress/i.test(thrown.message)) throw thrown;
  }
  for (let waited = 0; waited < WAIT_MS; waited += LOOK_EVERY_MS) {
    if ((await findContainer(engine, id)) === undefined) return;
    await sleep(LOOK_EVERY_MS);
  }
}
