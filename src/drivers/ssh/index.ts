/**
 * The ssh backend: a runtime is a folder on a host with its own home, tmp and manifest, and a workspace that is canonical
 * there since it was seeded. In: settings, specs, and how the host is reached. Out: folders there, and commands in them.
 * It writes nowhere on the host but below `ssh.workspace_root` and `~/.sandkeep`.
 */
import { SandkeepError } from "../../errors.ts";
import type { Host, Settings } from "../../model/settings.ts";
import { openConnection } from "../../remote/open.ts";
import type { Driver, DriverDeps, DriverModule, ReadDriver } from "../driver.ts";
import {
  createRuntime,
  forgetWorkspace,
  markDormant,
  proveExists,
  removeRuntime,
  renameRuntime,
  updateRuntime,
} from "./apply.ts";
import { attest } from "./attest.ts";
import { changes, salvage } from "./changes.ts";
import type { SshContext } from "./context.ts";
import { execute } from "./exec.ts";
import { sshFields } from "./fields.ts";
import { getFiles, putFiles } from "./files.ts";
import { lacks } from "./limits.ts";
import { checkHealth, inspectRuntime, observeFleet } from "./observe.ts";
import { preflightHost, probeHost } from "./probe.ts";
import { requireSettings } from "./requirements.ts";
import { normaliseOptions } from "./spec.ts";
import { openWorkspace } from "./workspace.ts";

export const sshDriver: DriverModule = {
  backend: "ssh",
  capabilities: {
    lifecycle: "directory",
    exec: true,
    tty: true,
    events: false,
    images: false,
    reports_execs: false,
    changes: true,
    parallelism: 4,
  },
  fields: sshFields,
  provider: (settings) => (settings.workspace.access === "none" ? "own" : "volume"),
  require: requireSettings,
  notes: boundaryNotes,
  normalise: normaliseOptions,
  preflight: preflightHost,
  // Without a host there is nothing of this backend.
  installed: async () => false,
  openReader: async (host, deps) => reader(contextOf(host, deps)),
  open: async (host, deps) => driver(contextOf(host, deps)),
};

function boundaryNotes({ options }: Settings): readonly string[] {
  const limited = ["memory", "cpus", "pids"].some((each) => typeof options[each] === "number");
  const unlimited =
    "no limits are set, so commands may take all that the account may: memory, cpus and pids of [sandbox.ssh] set them.";
  if (options["isolation"] === "bubblewrap") return limited ? [] : [unlimited];
  return [
    'isolation = "none" is no security boundary on the host: commands run as the account, with its files and its network. isolation = "bubblewrap" is one.',
    ...(limited
      ? [
          "limits without isolation keep what goes astray, not what means harm: a command may tell the account's systemd to lift them.",
        ]
      : [unlimited]),
  ];
}

function contextOf(host: Host | undefined, deps: DriverDeps): SshContext {
  if (host?.ssh === undefined) {
    throw new SandkeepError("the ssh backend needs a host with an ssh table", {
      code: "SSH_NO_HOST",
      kind: "unreachable",
      hint: 'declare [hosts.<name>] with ssh = { target = "user@host" }, and set sandbox.host',
    });
  }
  return { deps, host, connection: openConnection(host.name, host.ssh, deps) };
}

function reader(context: SshContext): ReadDriver {
  return {
    probe: async () => probeHost(context),
    observe: async (scope) => observeFleet(context, scope),
    lacks: async (settings) => lacks(context, settings),
    inspect: async (objectId) => inspectRuntime(context, objectId),
    health: async (objectId) => checkHealth(context, objectId),
    changes: async (objectId, workspace) => changes(context, objectId, workspace),
    resolveImage: async () => ({ status: "absent" }),
    // Hosts tell nothing by themselves: watch looks again at its resync.
    events: async () => nothing(),
    [Symbol.asyncDispose]: async () => context.connection[Symbol.asyncDispose](),
  };
}

async function* nothing(): AsyncGenerator<never> {}

function driver(context: SshContext): Driver {
  return {
    ...reader(context),
    fetch: async (ref) => {
      throw new SandkeepError(`the ssh backend has no images, so ${ref} cannot be fetched`, {
        code: "SSH_NO_IMAGES",
        hint: "remove the image from the settings, or use a backend that has images",
      });
    },
    create: async (request) => createRuntime(context, request),
    start: async (objectId) => proveExists(context, objectId),
    stop: async (objectId) => proveExists(context, objectId),
    update: async (request) => updateRuntime(context, request),
    rename: async (objectId, to) => renameRuntime(context, objectId, to),
    remove: async (objectId, workspace) => removeRuntime(context, objectId, workspace),
    mark: async (scope, address, mark) => markDormant(context, scope, address, mark),
    forget: async (scope, address) => forgetWorkspace(context, scope, address),
    attest: async (objectId) => attest(context, objectId),
    exec: async (request) => execute(context, request),
    putFiles: async (objectId, directory, tar) => putFiles(context, objectId, directory, tar),
    getFiles: async (objectId, path) => getFiles(context, objectId, path),
    openWorkspace: async (objectId) => openWorkspace(context, objectId),
    salvage: async (objectId, workspace) => salvage(context, objectId, workspace),
  };
}
