/** BMO: `[options]` and `[options.sandbox.*]` of its TOML file. */
import { type KeyPath, formatKeyPath } from "../../model/source.ts";
import { nearestKey } from "../key-tree.ts";
import type { ParsedConfig } from "../parse.ts";
import { valueAt } from "../table.ts";
import { tellUser } from "./container-user.ts";
import { guardCredentials } from "./credentials.ts";
import { readFlag } from "./docker-flag-fields.ts";
import { readDockerFlags } from "./docker-flags.ts";
import { type Draft, type Setting, keepDefault } from "./draft.ts";
import { type Outcome, type Row, type Walk, elsewhere, row, settle, walk, wrongType } from "./rows.ts";
import { COUNT, TEXT, oneOf } from "./shape.ts";
import { hostNameOf, readTarget } from "./ssh-target.ts";

const BACKEND: KeyPath = ["options", "sandbox", "backend"];
const EXTRA_ARGS: KeyPath = ["options", "sandbox", "docker", "extra_args"];
const docker = (name: string): KeyPath => ["sandbox", "docker", name];

const BUILDKIT_TEXTS = ["endpoint", "image", "buildctl_path"] as const;
const BUILDKIT_COUNTS = ["max_parallel", "queue_capacity"] as const;

/** The host and the user are one key here, so both say it. */
function sshRows(value: unknown): readonly Row[] {
  const [host, user] = ["host", "user"].map((name) => valueAt(value, ["options", "sandbox", "ssh", name]));
  const joined = typeof host === "string" && typeof user === "string" ? `${user}@${host}` : host;
  const target = guardCredentials(joined) === undefined ? readTarget(joined) : undefined;
  const name = target === undefined ? "" : hostNameOf(target, new Set());
  const chosen: Setting = { path: ["sandbox", "host"], value: name, vital: true };
  const follows = valueAt(value, BACKEND) === "ssh" ? [chosen] : [];
  const access = (from: string, become: (given: string) => Outcome): Row =>
    row(["options", "sandbox", "ssh", from], TEXT, (given) =>
      target === undefined
        ? { why: "no host has it: a host needs a host and a user that ssh could take" }
        : become(given),
    );
  const key = (name_: string, written: string): Setting => ({
    path: ["hosts", name, "ssh", name_],
    value: written,
  });
  return [
    access("host", () => ({
      sets: [key("target", target ?? ""), ...follows],
      ...(user === undefined ? { note: "without a user it is the one that sandkeep runs as" } : {}),
    })),
    access("user", () => ({ sets: [key("target", target ?? "")] })),
    access("key_file", (given) => ({ sets: [key("identity_file", given)] })),
    access("known_hosts_file", (given) => ({ sets: [key("known_hosts_file", given)] })),
  ];
}

const ROWS: readonly Row[] = [
  row(["options", "sandbox_mode"], oneOf("direct", "staged"), (value) => ({
    sets: [{ path: ["sandbox", "writes"], value, vital: true }],
  })),
  row(["options", "sandbox", "backend"], TEXT, (value) => ({
    sets: [{ path: ["sandbox", "backend"], value, vital: true }],
  })),
  row(["options", "sandbox", "docker", "image"], TEXT, (value) => ({
    sets: [{ path: docker("image"), value }],
  })),
  elsewhere(["options", "sandbox", "docker", "extra_args"]),
  ...BUILDKIT_TEXTS.map((name) =>
    row(["options", "sandbox", "buildkit", name], TEXT, (value) => ({
      sets: [{ path: ["sandbox", "buildkit", name], value }],
    })),
  ),
  ...BUILDKIT_COUNTS.map((name) =>
    row(["options", "sandbox", "buildkit", name], COUNT, (value) => ({
      sets: [{ path: ["sandbox", "buildkit", name], value }],
    })),
  ),
];

const rest = (path: readonly string[]): string =>
  path[0] === "options" ? "sandkeep has no such key" : "it is not about sandboxes";

export function importBmo(
  { value, keys }: ParsedConfig,
  draft: Draft,
  diagnostics: Walk["diagnostics"],
): void {
  const scene = { draft, keys, diagnostics, at: [] };
  walk({ ...scene, rows: [...ROWS, ...sshRows(value)], guard: guardCredentials, rest }, value);
  importFlags(scene, valueAt(value, EXTRA_ARGS));
  draft.agents.add("main");
  const backend = valueAt(value, BACKEND) ?? "local";
  const kept = typeof backend === "string" && Object.hasOwn(KEPT, backend) ? KEPT[backend] : undefined;
  for (const [setting, why] of kept ?? []) keepDefault(draft, setting, why);
  draft.remarks.push(
    "BMO starts every command in the folder it stands in; sandkeep keeps one sandbox for agent main and runs commands in it.",
  );
  if (kept === KEPT["docker"])
    tellUser(
      draft,
      "BMO runs a container as its image's user, who is often root and may, say, `apt-get install`",
      '"root"',
    );
}

function importFlags(scene: Pick<Walk, "draft" | "keys" | "diagnostics" | "at">, args: unknown): void {
  if (args === undefined) return;
  if (!Array.isArray(args)) return wrongType(scene, EXTRA_ARGS, "a list of texts");
  const texts: string[] = [];
  for (const [index, text] of args.entries()) {
    if (typeof text === "string") texts.push(text);
    else wrongType(scene, [...EXTRA_ARGS, index], "a text");
  }
  if (texts.length < args.length) return;
  for (const flag of readDockerFlags(texts)) {
    const path = [...EXTRA_ARGS, flag.index];
    const node = nearestKey(scene.keys, path);
    const shown = flag.shown === "" ? "" : ` ${flag.shown}`;
    settle(scene.draft, `${formatKeyPath(path)}${shown}`, node.document.at(node.offset), readFlag(flag));
  }
}

/** What each backend of BMO does by itself, where sandkeep's would do something else. */
const KEPT: Readonly<Record<string, readonly (readonly [Setting, string])[]>> = {
  local: [
    [{ path: ["sandbox", "backend"], value: "local", vital: true }, "commands run on this machine"],
    [{ path: ["sandbox", "local", "home"], value: "user" }, "commands see the user's own home"],
  ],
  ssh: [
    [{ path: ["sandbox", "workspace", "access"], value: "rw" }, "commands work on the working directory"],
    [
      { path: ["sandbox", "workspace", "sync"], value: "before-run" },
      "the working directory is synchronized before every command",
    ],
  ],
  buildkit: [
    [
      { path: ["sandbox", "buildkit", "network"], value: "default" },
      'builds have a network; "none" is safer',
    ],
  ],
  docker: [
    [
      { path: ["sandbox", "workspace", "access"], value: "rw" },
      "the working directory is mounted into the container",
    ],
    [{ path: docker("network"), value: "bridge" }, 'containers have a network; "none" is safer'],
    [{ path: docker("read_only_root"), value: false }, "the image's own files can be changed; true is safer"],
    [{ path: docker("cap_drop"), value: [] }, 'Docker\'s usual capabilities are kept; ["ALL"] is safer'],
    [{ path: docker("no_new_privileges"), value: false }, "programs may gain privileges; true is safer"],
    [{ path: docker("pids"), value: "unlimited" }, "processes are not limited; a number is safer"],
    [{ path: docker("init"), value: false }, "no init process is added"],
    [{ path: docker("tmpfs"), value: [] }, "no memory-backed folders are added"],
  ],
};
