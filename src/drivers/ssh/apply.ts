/** The mutating half, but for exec and files: each function is one idempotent effect and one round trip. */
import { createHash } from "node:crypto";
import type { DormancyMark } from "../../model/observed.ts";
import type { RuntimeLabels } from "../../model/labels.ts";
import { encodeFileName } from "../../util/file-name.ts";
import { SandkeepError } from "../../errors.ts";
import type { CreateRequest, Created, ObserveScope, UpdateRequest, WorkspaceFate } from "../driver.ts";
import { TRY_BUBBLEWRAP } from "./bubblewrap.ts";
import type { SshContext } from "./context.ts";
import { broken, notFound, succeeded, wholeLines } from "./errors.ts";
import { LIMIT_PATHS, endSlice, liftLimits, limitsOf, setLimits } from "./limits.ts";
import { labelsLine, manifestLine } from "./manifest.ts";
import { openRuntime } from "./runtime.ts";
import { inspectRuntime } from "./observe.ts";
import { CREATE, FORGET, MARK, REMOVE, RENAME, SEAL, UPDATE } from "./scripts.ts";
import { fieldsOf, readSshSpec } from "./spec.ts";

/** Deleting a large workspace takes its time. */
const REMOVE_MS = 600_000;

const RUNTIME_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/;

export async function createRuntime(context: SshContext, request: CreateRequest): Promise<Created> {
  const { deps, connection, host } = context;
  const { name, labels, spec } = request;
  if (!RUNTIME_NAME.test(name)) throw badName(name);
  const fields = fieldsOf(spec.values);
  const read = readSshSpec(fields);
  const objectId = deps.randomId();
  const root = read["ssh.workspace_root"];
  const args = [
    root,
    createHash("sha256").update(root).digest("hex").slice(0, 16),
    encodeFileName(labels.fleet),
    objectId,
    name,
    read["workspace.provider"] === "own" ? "" : workspaceKey(labels),
    manifestLine({ object_id: objectId, created_at: deps.now(), labels, fields }),
    labelsLine(objectId, labels),
    String(host.max_runtimes ?? 0),
  ];
  if (read["ssh.isolation"] === "bubblewrap") await requireBubblewrap(context);
  const limits = limitsOf(read);
  try {
    // Fails closed: a runtime whose limits do not hold is not even made.
    if (limits !== undefined) await setLimits(context, objectId, limits);
    const result = await connection.script({ script: CREATE, args });
    const lines = wholeLines(result, `create ${name} on ${host.name}`);
    return { objectId, needsSeed: lines.includes("seed 1") };
  } catch (thrown) {
    // Nobody else knows the slice. If the runtime was made all the same, its next command makes it again.
    if (limits !== undefined) await endSlice(context, objectId).catch(() => undefined);
    throw thrown;
  }
}

/** Two fleets of one name keep workspaces of their own. */
function workspaceKey({ address, fleet_id }: Pick<RuntimeLabels, "address" | "fleet_id">): string {
  return `${encodeFileName(address)}@${fleet_id ?? ""}`;
}

/** Fails closed: a runtime that asks for isolation is not even made where there is none. */
async function requireBubblewrap({ connection, host }: SshContext): Promise<void> {
  const { code, stderr } = await connection.script({ script: TRY_BUBBLEWRAP, args: [], reads: true });
  if (code === 0) return;
  throw new SandkeepError(`isolation = "bubblewrap" does not work on ${host.name}: ${stderr.trim()}`, {
    code: "SSH_NO_BUBBLEWRAP",
    blame: "backend",
    hint: "install it there (apt-get install bubblewrap) and permit user namespaces",
  });
}

/** A workspace whose seed is complete takes its place; any other is left alone. */
export async function sealWorkspace(context: SshContext, objectId: string): Promise<void> {
  const result = await context.connection.script({ script: SEAL, args: [objectId] });
  succeeded(result, "put the seeded workspace in its place");
}

export async function updateRuntime(context: SshContext, request: UpdateRequest): Promise<void> {
  const { objectId, labels } = request;
  const { manifest } = await openRuntime(context, objectId);
  if (manifest === undefined) throw broken(objectId);
  const wanted = fieldsOf(request.spec.values);
  if (wanted["ssh.isolation"] === "bubblewrap") await requireBubblewrap(context);
  const fields = { ...manifest.fields };
  for (const path of request.paths) {
    const value = wanted[path];
    if (value === undefined) delete fields[path];
    else fields[path] = value;
  }
  const limits = limitsOf(readSshSpec(fields));
  if (limits !== undefined) await setLimits(context, objectId, limits);
  else if (LIMIT_PATHS.some((path) => request.paths.includes(path))) await liftLimits(context, objectId);
  const args = [objectId, manifestLine({ ...manifest, labels, fields }), labelsLine(objectId, labels)];
  succeeded(await context.connection.script({ script: UPDATE, args }), "update the runtime");
}

export async function renameRuntime(context: SshContext, objectId: string, to: string): Promise<void> {
  if (!RUNTIME_NAME.test(to)) throw badName(to);
  const result = await context.connection.script({ script: RENAME, args: [objectId, to] });
  succeeded(result, `rename the runtime to ${to}`);
}

export async function removeRuntime(
  context: SshContext,
  objectId: string,
  workspace: WorkspaceFate,
): Promise<void> {
  const args = [objectId, workspace];
  const result = await context.connection.script({ script: REMOVE, args, timeoutMs: REMOVE_MS });
  succeeded(result, "remove the runtime");
}

export async function markDormant(
  context: SshContext,
  scope: ObserveScope,
  address: string,
  mark: Omit<DormancyMark, "address"> | undefined,
): Promise<void> {
  const { fleet, fleet_id } = scope;
  const text = mark === undefined ? "" : JSON.stringify({ fleet, fleet_id, address, ...mark });
  const args = [encodeFileName(fleet), `${encodeFileName(address)}@${fleet_id ?? ""}.json`, text];
  succeeded(await context.connection.script({ script: MARK, args }), "write the dormancy mark");
}

export async function forgetWorkspace(
  context: SshContext,
  scope: ObserveScope,
  address: string,
): Promise<void> {
  const args = [encodeFileName(scope.fleet), `${encodeFileName(address)}@`, scope.fleet_id ?? "*"];
  const result = await context.connection.script({ script: FORGET, args, timeoutMs: REMOVE_MS });
  succeeded(result, `delete the workspace of ${address}`);
}

/** Start and stop: a directory has no process, so both only prove that it is there. */
export async function proveExists(context: SshContext, objectId: string): Promise<void> {
  if ((await inspectRuntime(context, objectId)) === undefined) throw notFound(objectId);
}

function badName(name: string): SandkeepError {
  return new SandkeepError(`${JSON.stringify(name)} cannot be the name of a runtime`, {
    code: "SSH_NAME",
    hint: "names come from the plan; run `sandkeep plan` again",
  });
}
