/**
 * In: a running container and its spec. Out: what a command inside it sees of each promise. It runs scripts of ours as
 * the container's own user, which no observer counts as use, and changes nothing.
 */
import type { Check, Promised } from "../../model/attestation.ts";
import type { Spec } from "../../model/spec.ts";
import { checkInside } from "../../util/inside-checks.ts";
import type { DriverDeps } from "../driver.ts";
import { DEFAULT_CAPABILITIES } from "./default-capabilities.ts";
import type { Engine } from "./client.ts";
import { ownerOf } from "./container.ts";
import type { EngineFacts } from "./facts.ts";
import { impliedSwap } from "./limits.ts";
import { getContainer } from "./find-container.ts";
import { runOwn } from "./own-command.ts";
import type { DockerSpec } from "./section.ts";
import { inSection, readValues } from "./section.ts";
import { plainCapability, tmpfsEntry } from "./spec.ts";

/** A mount table can be long. */
const MOST_OUTPUT = 262_144;

export async function attest(
  engine: Engine,
  facts: EngineFacts,
  deps: DriverDeps,
  objectId: string,
  spec: Spec,
): Promise<readonly Check[]> {
  const values = readValues(spec.values, engine.dialect.name);
  const container = await getContainer(engine, objectId);
  const { SwapLimit } = await facts.info();
  const user = values.docker.user ?? (await ownerOf(values)) ?? container.Config.User;
  return await checkInside(
    promisesOf(values, user === "" ? "0" : user, SwapLimit).map((each) => ({
      ...each,
      path: inSection(each.path, engine.dialect.name),
    })),
    (script, args) => runOwn(engine, objectId, script, args, { most: MOST_OUTPUT }),
    deps.randomId,
  );
}

function promisesOf(spec: DockerSpec, user: string, limitsSwap: boolean): Promised[] {
  const { docker } = spec;
  const dropped = new Set(docker.cap_drop.map((name) => plainCapability(name)));
  const most = dropped.has("ALL") ? [] : DEFAULT_CAPABILITIES.filter((name) => !dropped.has(name));
  const promises: Promised[] = [
    { kind: "capabilities", path: "docker.cap_drop", asked: docker.cap_drop, most },
    { kind: "user", path: "docker.user", asked: user, user },
    ...mountPromises(spec),
    ...limitPromises(spec, limitsSwap),
  ];
  if (docker.network === "none") {
    promises.push({ kind: "no-network", path: "docker.network", asked: docker.network });
  }
  if (docker.no_new_privileges) {
    promises.push({ kind: "no-new-privileges", path: "docker.no_new_privileges", asked: true });
  }
  if (docker.seccomp !== "unconfined") {
    const asked = docker.seccomp === undefined ? "default" : "a profile";
    promises.push({ kind: "seccomp", path: "docker.seccomp", asked, filtered: true });
  }
  const { apparmor: profile } = docker;
  if (profile !== undefined && profile !== "unconfined") {
    promises.push({ kind: "apparmor", path: "docker.apparmor", asked: profile, profile });
  }
  return promises;
}

function mountPromises({ docker, workspace }: DockerSpec): Promised[] {
  const tmpfs = docker.tmpfs.map((text) => tmpfsEntry(text)[0]);
  const places = [workspace.target, ...docker.binds.map(({ target }) => target), ...tmpfs];
  const readOnly = (path: string, target: string): Promised => ({
    kind: "read-only",
    path,
    asked: `${target} ro`,
    target,
    // What is mounted below by the config itself has a promise of its own, or none.
    except: places.filter((each) => each !== target),
  });
  return [
    ...(docker.read_only_root
      ? [
          {
            kind: "read-only" as const,
            path: "docker.read_only_root",
            asked: true,
            target: "/",
            except: undefined,
          },
        ]
      : []),
    ...(workspace.access === "ro" ? [readOnly("workspace.access", workspace.target)] : []),
    ...docker.binds.filter(({ mode }) => mode === "ro").map(({ target }) => readOnly("docker.binds", target)),
    ...tmpfs.map((target): Promised => {
      return { kind: "mounted", path: "docker.tmpfs", asked: `${target} tmpfs`, target, type: "tmpfs" };
    }),
  ];
}

function limitPromises({ docker }: DockerSpec, limitsSwap: boolean): Promised[] {
  const { memory, memory_swap: swap, pids, cpus } = docker;
  const promises: Promised[] = Object.entries(docker.ulimits).map(([name, value]) => {
    const { soft, hard } = typeof value === "number" ? { soft: value, hard: value } : value;
    return { kind: "ulimit", path: `docker.ulimits.${name}`, asked: { soft, hard }, name, hard };
  });
  if (memory !== undefined) {
    promises.push({ kind: "memory", path: "docker.memory", asked: memory, most: memory });
    const implied = impliedSwap(memory);
    const total = swap ?? implied;
    // Nobody asked an engine that cannot limit swap for what only follows from the memory.
    if (total !== "unlimited" && (limitsSwap || total !== implied)) {
      promises.push({ kind: "swap", path: "docker.memory_swap", asked: total, most: total, memory });
    }
  }
  if (pids !== "unlimited") promises.push({ kind: "pids", path: "docker.pids", asked: pids, most: pids });
  if (cpus !== undefined) promises.push({ kind: "cpus", path: "docker.cpus", asked: cpus, most: cpus });
  return promises;
}
