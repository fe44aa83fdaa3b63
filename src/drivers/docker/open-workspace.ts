/**
 * A runtime's canonical volume, open: our scripts run beside the runtime, in a container of the same image that has the
 * volume and nothing else, so that neither what an agent did to its own programs nor who it runs as matters. That
 * container's name is the lock, and it lives as long as we do: its one program reads our connection.
 */
import type { Duplex } from "node:stream";
import { PassThrough } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { hasKind, SandkeepError } from "../../errors.ts";
import { decodeLabels } from "../../model/labels.ts";
import { elapsed } from "../../util/elapsed.ts";
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
import type { EngineFacts } from "./facts.ts";
import { deleteHelper } from "./files.ts";
import { HELPER_LABEL, workspaceVolume } from "./mounts.ts";
import { findContainer, getContainer } from "./find-container.ts";
import type { Container } from "./wire-container.ts";
import { readCreated } from "./wire.ts";

const MOST_COMPLAINT = 4_000;
/** Another sync is waited for so long. */
const WAIT_MS = 5_000;
/** One that was made and does not run after so long is nobody's any more. */
const NEVER_BEGUN_MS = 30_000;
const LOOK_EVERY_MS = 250;
const REMOVAL_TRIES = 80;
const CLOSE = "close a workspace";

export async function openWorkspace(
  engine: Engine,
  facts: EngineFacts,
  deps: DriverDeps,
  objectId: string,
): Promise<OpenWorkspace> {
  const container = await getContainer(engine, objectId);
  const labels = decodeLabels(container.Config.Labels);
  const volume = labels === undefined ? undefined : workspaceVolume(labels);
  const mount = container.Mounts.find(({ Type, Name }) => Type === "volume" && Name === volume);
  if (mount === undefined) throw noVolume(objectId);
  const id = await makeAlone(engine, facts, container, { volume: mount.Name, target: mount.Destination });
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
        { user: "0:0" },
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

interface Holding {
  /** Of this attempt to open the workspace. */
  readonly waitedMs: number;
  /** Of the holder, by the engine's own clock. */
  readonly ageMs: number;
}

/** What to do about who has the name; nobody has it any more where it went meanwhile. First match wins. */
export function judgeHolder(
  holder: { readonly labels: Readonly<Record<string, string>>; readonly status: string } | undefined,
  { waitedMs, ageMs }: Holding,
): "foreign" | "clear" | "busy" | "wait" {
  if (holder !== undefined && holder.labels[HELPER_LABEL] === undefined) return "foreign";
  if (holder?.status === "created" && ageMs > NEVER_BEGUN_MS) return "clear";
  // Its program ends with its owner; the engine that was to remove it then was itself away.
  if (holder?.status === "exited" && waitedMs > WAIT_MS) return "clear";
  const begins = holder === undefined || holder.status === "created" || holder.status === "exited";
  return waitedMs > (begins ? WAIT_MS + NEVER_BEGUN_MS : WAIT_MS) ? "busy" : "wait";
}

/** Whoever makes it is alone with the volume. */
async function makeAlone(
  engine: Engine,
  facts: EngineFacts,
  container: Container,
  { volume, target }: { readonly volume: string; readonly target: string },
): Promise<string> {
  const name = `${volume}-sync`;
  const began = elapsed();
  for (;;) {
    try {
      return await makeHelper(engine, container, { name, volume, target });
    } catch (thrown) {
      if (!hasKind(thrown, "conflict")) throw thrown;
      const found = await findContainer(engine, name).catch(unlessPassing);
      const holder = found && { labels: found.Config.Labels, status: found.State.Status };
      const ageMs = (await facts.engineNow()) - Date.parse(found?.Created ?? "");
      switch (judgeHolder(holder, { waitedMs: elapsed() - began, ageMs })) {
        case "foreign":
          throw nameTaken(name);
        case "busy":
          throw failed(SYNC_ANSWER.busy, thrown.message);
        case "clear":
          if (found !== undefined) await clearHelper(engine, found.Id);
          break;
        case "wait":
      }
      await sleep(LOOK_EVERY_MS);
    }
  }
}

function nameTaken(name: string): SandkeepError {
  return new SandkeepError(
    `the container ${name}, which sandkeep did not make, has the name that a sync needs`,
    {
      code: "DOCKER_SYNC_NAME_TAKEN",
      hint: "rename or remove that container",
    },
  );
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
        // Podman stops before it removes by force, and a first process hears no polite signal.
        StopTimeout: 0,
        AttachStdin: true,
        Labels: { [HELPER_LABEL]: container.Id },
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

/** It ends and removes itself as well, and until that is over engines refuse to do it, each in its own words. */
async function removeHelper(engine: Engine, id: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await deleteHelper(engine, CLOSE, id, true);
    } catch (thrown) {
      if (isGone(thrown)) return;
      if (tries >= REMOVAL_TRIES || !isPassing(thrown)) throw thrown;
    }
    await sleep(LOOK_EVERY_MS);
  }
}

/** Of somebody who seems to be gone: never by force, for it may have begun since it was looked at. */
async function clearHelper(engine: Engine, id: string): Promise<void> {
  try {
    await deleteHelper(engine, CLOSE, id, false);
  } catch (thrown) {
    unlessPassing(thrown);
  }
}

function unlessPassing(thrown: unknown): undefined {
  if (!isPassing(thrown)) throw thrown;
}

function isPassing(thrown: unknown): boolean {
  return thrown instanceof SandkeepError && thrown.kind !== "unreachable" && thrown.kind !== "denied";
}
