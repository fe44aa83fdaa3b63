import type { KeyPath } from "../../model/source.ts";
import { guardCredentials, isSecretVariable } from "./credentials.ts";
import type { DockerFlag } from "./docker-flags.ts";
import {
  bind,
  capabilities,
  cpus,
  dockerBytes,
  gpus,
  memory,
  memorySwap,
  pids,
  ulimit,
} from "./docker-values.ts";
import type { Scalar } from "./draft.ts";
import type { Outcome } from "./rows.ts";

const SANDBOX: KeyPath = ["sandbox"];
const key = (...path: readonly string[]): KeyPath => [...SANDBOX, "docker", ...path];
const same = (name: string, value: Scalar): Outcome => ({ sets: [{ path: key(name), value }] });
const add = (name: string, value: string, note?: string): Outcome => ({
  sets: [],
  adds: { path: key(name), values: [value] },
  ...(note === undefined ? {} : { note }),
});

/** Flags with a field of their own. Undefined: the value is none that Docker reads. */
const FIELDS: Readonly<Record<string, (value: string) => Outcome | undefined>> = {
  network,
  net: network,
  memory: (value) => memory(key("memory"), value),
  "memory-swap": (value) => memorySwap(key("memory_swap"), value),
  cpus: (value) => ifNumber(value, (cores) => cpus(key("cpus"), cores)),
  "pids-limit": (value) => ifNumber(value, (count) => pids(key("pids"), count)),
  volume: (value) => volume(value),
  mount: (value) => mount(value),
  env: (value) => variable(value),
  user: (value) => same("user", value),
  workdir: (value) => same("workdir", value),
  "cap-drop": (value) => add("cap_drop", capabilities([value]).join("")),
  "security-opt": (value) => securityOption(value),
  tmpfs: (value) => add("tmpfs", value),
  dns: (value) => add("dns", value),
  "add-host": (value) => add("extra_hosts", /^[^:=]+=/.test(value) ? value.replace("=", ":") : value),
  gpus: (value) => gpus(key("gpus"), value),
  ulimit: (value) => {
    const [, name = "", limit = ""] = /^([^=]+)=(.*)$/.exec(value) ?? [];
    return name === "" ? undefined : ulimit(key("ulimits", name), limit);
  },
  "shm-size": (value) => {
    const bytes = dockerBytes(value);
    const note = "shared memory is a memory-backed folder like any other here";
    return bytes === undefined ? undefined : add("tmpfs", `/dev/shm:size=${String(bytes)}`, note);
  },
  restart: (value) => {
    const [policy = "", most] = value.split(":");
    const sets = [{ path: key("restart"), value: policy }];
    return most === undefined ? { sets } : { sets, note: "the number of attempts has no equal" };
  },
  label: (value) => {
    const split = value.indexOf("=");
    const name = split < 0 ? value : value.slice(0, split);
    return { sets: [{ path: key("labels", name), value: split < 0 ? "" : value.slice(split + 1) }] };
  },
  "stop-timeout": (value) =>
    ifNumber(value, (seconds) =>
      seconds > 0
        ? same("stop_timeout", `${String(seconds)}s`)
        : { why: "a stop always has a time limit here" },
    ),
  pull: (value) => PULLS[value],
};

const PULLS: Readonly<Record<string, Outcome>> = {
  missing: same("image_policy", "missing"),
  never: same("image_policy", "never"),
  always: {
    sets: [{ path: key("image_policy"), value: "track" }],
    note: "the registry is followed, not asked before every command",
  },
};

/** Switches with a field. */
const SWITCHES: Readonly<Record<string, string>> = { "read-only": "read_only_root", init: "init" };

/** Known flags without a field, and why there is none. */
const NO_FIELD: Readonly<Record<string, string>> = {
  privileged: "no sandbox gets every right of the machine",
  device: "no sandbox gets a device of the machine",
  "cap-add": "capabilities are only taken away; leave it out of cap_drop instead",
  pid: "no sandbox shares processes with others",
  ipc: "no sandbox shares memory with others",
  userns: "user namespaces are the engine's to set",
  name: "sandkeep names what it makes, so that it finds it again",
  rm: "sandkeep decides when a sandbox is removed; see prune",
  detach: "a sandbox lives on between commands anyway",
  interactive: "`sandkeep shell` opens a terminal when one is wanted",
  tty: "`sandkeep shell` opens a terminal when one is wanted",
  attach: "`sandkeep run` gives the streams of a command",
  entrypoint: "commands run in a sandbox that sandkeep keeps alive; the image's own program is not started",
  "env-file": "files of variables are not read; name them in [sandbox.env] and [sandbox.secrets]",
  hostname: "a sandbox has no host name of its own to set",
  publish: "ports are not published",
  "publish-all": "ports are not published",
  "no-healthcheck": "see [sandbox.ready]",
};

/** What becomes of one flag. Its value is never shown: nobody knows what an unknown flag holds. */
export function readFlag({ name, value }: DockerFlag): Outcome {
  if (name === "") return { why: "it belongs to no flag" };
  const known = Object.hasOwn(NO_FIELD, name) ? NO_FIELD[name] : undefined;
  if (known !== undefined) return { why: known };
  const field = Object.hasOwn(SWITCHES, name) ? SWITCHES[name] : undefined;
  if (field !== undefined) return readSwitch(field, value);
  const read = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined;
  if (read === undefined) return { why: "sandkeep has no field for this flag" };
  if (value === undefined) return { why: "its value is missing" };
  const withheld = read === variable ? undefined : guardCredentials(value);
  if (name !== "env" && withheld !== undefined) return { why: withheld };
  return read(value) ?? { why: "its value is none that Docker reads" };
}

function readSwitch(field: string, text = "true"): Outcome {
  const value = readBoolean(text);
  return value === undefined ? { why: "its value is none that Docker reads" } : same(field, value);
}

function readBoolean(text: string): boolean | undefined {
  if (/^(?:1|t|true)$/i.test(text)) return true;
  return /^(?:0|f|false)$/i.test(text) ? false : undefined;
}

function ifNumber(value: string, become: (value: number) => Outcome): Outcome | undefined {
  return /^-?\d{1,12}(?:\.\d{1,9})?$/.test(value) ? become(Number(value)) : undefined;
}

function network(value: string): Outcome {
  if (value !== "default") return same("network", value);
  return {
    sets: [{ path: key("network"), value: "bridge" }],
    note: "the engine's default network is its bridge",
  };
}

function volume(text: string): Outcome {
  if (!text.includes(":"))
    return { why: "a volume without a name has no equal; what it holds goes with the sandbox" };
  const { value, dropped } = bind(text);
  return add("binds", value, leftOut(dropped));
}

function leftOut(options: readonly string[]): string | undefined {
  return options.length === 0 ? undefined : `the mount options ${options.join(", ")} are left out`;
}

const PLACE_KEYS: readonly string[] = ["type", "target", "dst", "destination", "readonly", "ro"];
const BIND_KEYS: readonly string[] = [...PLACE_KEYS, "source", "src"];
const TMPFS_KEYS: readonly string[] = [...PLACE_KEYS, "tmpfs-size", "tmpfs-mode"];

/** `type=bind,source=/a,target=/b,readonly`. */
function mount(text: string): Outcome | undefined {
  const options = new Map(
    text.split(",").map((part) => {
      const split = part.indexOf("=");
      return split < 0 ? ([part, "true"] as const) : ([part.slice(0, split), part.slice(split + 1)] as const);
    }),
  );
  const target = options.get("target") ?? options.get("dst") ?? options.get("destination");
  const source = options.get("source") ?? options.get("src");
  const isReadOnly = readBoolean(options.get("readonly") ?? options.get("ro") ?? "false");
  if (target === undefined || isReadOnly === undefined) return undefined;
  const type = options.get("type");
  const without = (keys: readonly string[]) =>
    leftOut([...options.keys()].filter((name) => !keys.includes(name)));
  if (type === "tmpfs") {
    const said = memoryOptions(isReadOnly, options);
    return said === undefined ? said : add("tmpfs", [target, ...said].join(":"), without(TMPFS_KEYS));
  }
  if (type !== "bind" || source === undefined)
    return { why: "only mounts of type bind and tmpfs have an equal" };
  return add("binds", `${source}:${target}:${isReadOnly ? "ro" : "rw"}`, without(BIND_KEYS));
}

/** As `--tmpfs` takes them: one text, or none. */
function memoryOptions(
  isReadOnly: boolean,
  options: ReadonlyMap<string, string>,
): readonly string[] | undefined {
  const bytes = dockerBytes(options.get("tmpfs-size") ?? "0");
  const mode = options.get("tmpfs-mode");
  if (bytes === undefined || bytes < 0) return undefined;
  if (mode !== undefined && !/^[0-7]{1,5}$/.test(mode)) return undefined;
  const said = [
    ...(isReadOnly ? ["ro"] : []),
    // A size of 0 is no limit.
    ...(bytes === 0 ? [] : [`size=${String(bytes)}`]),
    ...(mode === undefined ? [] : [`mode=${mode}`]),
  ];
  return said.length === 0 ? [] : [said.join(",")];
}

function variable(text: string): Outcome {
  const split = text.indexOf("=");
  const name = split < 0 ? text : text.slice(0, split);
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return { why: "its name is none that a shell could use" };
  const secret = { sets: [{ path: [...SANDBOX, "secrets", name], value: { env: name } }] };
  if (split < 0) return { ...secret, note: "it is looked up in sandkeep's environment when a command runs" };
  const value = text.slice(split + 1);
  if (!isSecretVariable(name, value)) return { sets: [{ path: [...SANDBOX, "env", name], value }] };
  return {
    ...secret,
    note: `its value looks like a credential, so it was not copied: export ${name} where sandkeep runs`,
  };
}

function securityOption(text: string): Outcome {
  const [, name = text, value] = /^([^:=]+)[:=](.*)$/.exec(text) ?? [];
  if (name === "no-new-privileges") return readSwitch("no_new_privileges", value);
  if (value !== undefined && (name === "seccomp" || name === "apparmor")) return same(name, value);
  return { why: "only no-new-privileges, seccomp and apparmor have an equal" };
}
