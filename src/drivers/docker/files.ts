import { posix } from "node:path";
import type { Readable } from "node:stream";
import { PassThrough, Writable } from "node:stream";
import { SandkeepError, toError } from "../../errors.ts";
import type { DriverDeps, ExecResult } from "../driver.ts";
import type { Engine } from "./client.ts";
import { exec } from "./exec.ts";
import { OWN_EXEC } from "./execs.ts";
import { getContainer } from "./find-container.ts";
import { HELPER_LABEL } from "./mounts.ts";
import type { Container } from "./wire-container.ts";
import { readCreated } from "./wire.ts";

/** For a whole workspace over a slow line. */
const TRANSFER_TIMEOUT_MS = 3_600_000;
const MOST_COMPLAINT = 2000;

/** What lies below a path of a container, which decides how its files can be reached. */
type Ground =
  | { readonly kind: "plain" }
  /** Memory that only processes of the container can see. */
  | { readonly kind: "tmpfs" }
  /** The engine refuses to write to it through this container. */
  | { readonly kind: "read-only-volume"; readonly volume: string; readonly target: string };

function groundOf(container: Container, path: string): Ground {
  const below = (target: string): boolean => path === target || path.startsWith(`${target}/`);
  const tmpfs = Object.keys(container.HostConfig.Tmpfs).map((target) => ({ target, mount: undefined }));
  const mounts = container.Mounts.map((mount) => ({ target: mount.Destination, mount }));
  const nearest = [...tmpfs, ...mounts]
    .filter(({ target }) => below(target))
    .toSorted((a, b) => b.target.length - a.target.length)[0];
  if (nearest === undefined) return { kind: "plain" };
  const { target, mount } = nearest;
  if (mount === undefined || mount.Type === "tmpfs") return { kind: "tmpfs" };
  return mount.Type === "volume" && !mount.RW
    ? { kind: "read-only-volume", volume: mount.Name, target }
    : { kind: "plain" };
}

export async function putFiles(
  engine: Engine,
  deps: DriverDeps,
  objectId: string,
  directory: string,
  tar: Readable,
): Promise<void> {
  const container = await getContainer(engine, objectId);
  const ground = groundOf(container, directory);
  switch (ground.kind) {
    case "plain":
      return unpack(engine, objectId, directory, tar);
    case "tmpfs":
      return unpackInside(engine, deps, objectId, directory, tar);
    case "read-only-volume":
      return unpackThrough(engine, deps, container, ground, { directory, tar });
  }
}

async function unpack(engine: Engine, objectId: string, directory: string, tar: Readable): Promise<void> {
  await engine.send({
    what: `put files into ${directory}`,
    method: "PUT",
    path: `/containers/${encodeURIComponent(objectId)}/archive`,
    query: { path: directory },
    file: tar,
    timeout: TRANSFER_TIMEOUT_MS,
  });
}

async function unpackInside(
  engine: Engine,
  deps: DriverDeps,
  objectId: string,
  directory: string,
  tar: Readable,
): Promise<void> {
  const complaint = new Collector();
  const { result } = await exec(engine, deps, {
    objectId,
    argv: ["sh", "-c", 'exec tar -xf - -C "$1"', OWN_EXEC, directory],
    env: {},
    cwd: "/",
    stdin: tar,
    stdout: complaint,
    stderr: complaint,
  });
  const { exitCode } = await result;
  if (exitCode !== 0) throw tarFailed(`put files into ${directory}`, complaint.text);
}

/** A container that never starts holds the volume writable for the length of one upload. */
async function unpackThrough(
  engine: Engine,
  deps: DriverDeps,
  container: Container,
  ground: Extract<Ground, { kind: "read-only-volume" }>,
  upload: { readonly directory: string; readonly tar: Readable },
): Promise<void> {
  const name = `sandkeep-upload-${deps.randomId()}`;
  const prepared = engine.json(
    {
      what: "prepare an upload",
      method: "POST",
      path: "/containers/create",
      query: { name },
      body: {
        Image: container.Image,
        Cmd: ["true"],
        Labels: { [HELPER_LABEL]: container.Id },
        HostConfig: {
          NetworkMode: "none",
          Mounts: [{ Type: "volume", Source: ground.volume, Target: ground.target }],
        },
      },
    },
    readCreated,
  );
  const { Id } = await prepared.catch(async (thrown: unknown) => {
    // It may be there all the same, and who tries again makes another.
    await deleteHelper(engine, "end an upload", name, true).catch(() => undefined);
    throw thrown;
  });
  try {
    await unpack(engine, Id, upload.directory, upload.tar);
  } finally {
    await deleteHelper(engine, "finish an upload", Id, true);
  }
}

/** One that runs goes only by force; the volumes that its image asks for go with it, and one with a name never does. */
export async function deleteHelper(engine: Engine, what: string, id: string, force: boolean): Promise<void> {
  await engine.send({ what, method: "DELETE", path: `/containers/${id}`, query: { force, v: true } });
}

export async function getFiles(
  engine: Engine,
  deps: DriverDeps,
  objectId: string,
  path: string,
): Promise<Readable> {
  const container = await getContainer(engine, objectId);
  if (groundOf(container, path).kind === "tmpfs") return packInside(engine, deps, objectId, path);
  return archive(engine, objectId, path);
}

/** A path as the engine packs it, running or not; what lies on a tmpfs is not in it. */
export async function archive(
  engine: Engine,
  objectId: string,
  path: string,
  signal?: AbortSignal,
): Promise<Readable> {
  return engine.stream({
    what: `get files from ${path}`,
    method: "GET",
    path: `/containers/${encodeURIComponent(objectId)}/archive`,
    query: { path },
    timeout: TRANSFER_TIMEOUT_MS,
    ...(signal === undefined ? {} : { signal }),
  });
}

async function packInside(
  engine: Engine,
  deps: DriverDeps,
  objectId: string,
  path: string,
): Promise<Readable> {
  const complaint = new Collector();
  const output = new PassThrough();
  const { result } = await exec(engine, deps, {
    objectId,
    argv: ["sh", "-c", 'exec tar -cf - -C "$1" "./$2"', OWN_EXEC, posix.dirname(path), posix.basename(path)],
    env: {},
    cwd: "/",
    stdout: output,
    stderr: complaint,
  });
  void finish(result, output, () => tarFailed(`get files from ${path}`, complaint.text));
  return output;
}

/** Ends the stream only when the command ended well: a cut archive must not look complete. */
async function finish(result: Promise<ExecResult>, output: PassThrough, failure: () => Error): Promise<void> {
  try {
    const { exitCode } = await result;
    if (exitCode === 0) output.end();
    else output.destroy(failure());
  } catch (thrown) {
    output.destroy(toError(thrown));
  }
}

/** The end of what a command said. */
class Collector extends Writable {
  text = "";

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text = (this.text + chunk.toString()).slice(-MOST_COMPLAINT);
    done();
  }
}

function tarFailed(what: string, said: string): SandkeepError {
  return new SandkeepError(`${what}: ${said.trim() === "" ? "tar failed" : said.trim()}`, {
    code: "DOCKER_FILES",
    blame: "backend",
    hint: "files on a tmpfs are reached with the image's own sh and tar",
  });
}
