import fc from "fast-check";
import { expect, it } from "vitest";
import type { Imported } from "../../../src/config/import/report.ts";
import { formatKeyPath } from "../../../src/model/source.ts";
import { check, imported } from "./scene.ts";

type Path = readonly (string | number)[];
type Leaf = readonly [path: Path, value: fc.Arbitrary<unknown>];

/** Texts that try to become something else, without what no config may hold. */
const text = fc.oneof(
  fc.constantFrom(
    '"',
    "'''",
    "\n[agents.evil]\n",
    "# x",
    "a\u202eb",
    "\u0007",
    "${HOME}",
    "/etc",
    "host",
    "..",
    "",
    " ",
  ),
  fc.string({ maxLength: 12 }).filter((each) => !each.includes("\0")),
);
const texts = fc.array(text, { maxLength: 3 });
const count = fc.nat({ max: 2_000_000 });
const size = fc.oneof(fc.constantFrom("512m", "1g", "-1", "0", "64kib", "huge"), count);
const oneOf = (...words: readonly string[]) => fc.constantFrom(...words);

const secretRef = fc.record({
  source: fc.oneof(oneOf("env", "file", "exec", "store"), text),
  provider: oneOf("whole", "json", "plain", "protocol", "none"),
  id: fc.oneof(oneOf("value", "SSH_KEY", "/a/b"), text),
});

/** Where those references lead. */
const PROVIDERS = {
  whole: { source: "file", path: "~/key", mode: "singleValue" },
  json: { source: "file", path: "~/keys.json" },
  plain: { source: "exec", command: "/usr/bin/pass", args: ["show", "key"], jsonOnly: false },
  protocol: { source: "exec", command: "/usr/bin/resolver" },
};

const sandbox = (at: Path): readonly Leaf[] => {
  const docker: readonly (readonly [string, fc.Arbitrary<unknown>])[] = [
    ["image", fc.oneof({ weight: 9, arbitrary: oneOf("debian:12-slim") }, text)],
    ["containerPrefix", text],
    ["workdir", fc.oneof(oneOf("/w", "/tmp", "/"), text)],
    ["readOnlyRoot", fc.boolean()],
    ["tmpfs", fc.array(fc.oneof(oneOf("/tmp", "/run:size=1m", "/workspace"), text), { maxLength: 3 })],
    ["network", fc.oneof(oneOf("none", "bridge", "host", "container:x"), text)],
    ["user", fc.oneof(oneOf("1000:1000"), text)],
    ["capDrop", fc.oneof(fc.constant(["ALL"]), texts)],
    ["setupCommand", fc.oneof(text, texts)],
    ["pidsLimit", fc.integer({ min: -1, max: 9999 })],
    ["memory", size],
    ["memorySwap", size],
    ["cpus", fc.double({ min: 0, max: 64, noNaN: true })],
    ["gpus", fc.oneof(oneOf("all", '"device=0,1"'), text)],
    ["seccompProfile", fc.oneof(oneOf("unconfined"), text)],
    ["apparmorProfile", text],
    ["dns", fc.oneof(fc.constant(["1.1.1.1"]), texts)],
    ["extraHosts", fc.oneof(fc.constant(["db:10.0.0.5"]), texts)],
    [
      "binds",
      fc.array(fc.oneof(oneOf("/srv/a:/a:ro,z", "/etc:/e", "vol:/v", "/srv/b:/tmp"), text), { maxLength: 4 }),
    ],
    ["dangerouslyAllowExternalBindSources", fc.boolean()],
    ["dangerouslyAllowReservedContainerTargets", fc.boolean()],
    ["dangerouslyAllowContainerNamespaceJoin", fc.boolean()],
    ["unheardOf", text],
  ];
  return [
    [[...at, "mode"], oneOf("off", "non-main", "all")],
    [
      [...at, "backend"],
      fc.oneof(
        { weight: 5, arbitrary: oneOf("docker") },
        { weight: 4, arbitrary: oneOf("podman") },
        oneOf("ssh", "x y"),
      ),
    ],
    [[...at, "scope"], oneOf("session", "agent", "shared")],
    [[...at, "perSession"], fc.boolean()],
    [[...at, "workspaceAccess"], oneOf("none", "ro", "rw")],
    [[...at, "workspaceRoot"], text],
    [[...at, "sessionToolsVisibility"], oneOf("spawned", "all")],
    [[...at, "prune", "idleHours"], count],
    [[...at, "prune", "maxAgeDays"], count],
    [[...at, "ssh", "target"], fc.oneof(oneOf("ci@a", "ci@a:22", "local", "[::1]:7", "a:0"), text)],
    [[...at, "ssh", "command"], fc.oneof(oneOf("ssh", "/usr/bin/ssh"), text)],
    [[...at, "ssh", "workspaceRoot"], fc.oneof(oneOf("~/boxes", "/srv/boxes"), text)],
    [[...at, "ssh", "strictHostKeyChecking"], fc.boolean()],
    [[...at, "ssh", "updateHostKeys"], fc.boolean()],
    ...["identity", "certificate", "knownHosts"].flatMap((name): readonly Leaf[] => [
      [[...at, "ssh", `${name}File`], fc.oneof(oneOf("~/.ssh/a", "a"), text)],
      [[...at, "ssh", `${name}Data`], fc.oneof(oneOf("a ssh-ed25519 AAAA"), text, secretRef)],
    ]),
    [[...at, "browser", "enabled"], fc.boolean()],
    [[...at, "browser", "binds"], texts],
    ...docker.map(([name, value]): Leaf => [[...at, "docker", name], value]),
    ...["LANG", "API_TOKEN", "PLAIN", "bad name", "\n"].map((name): Leaf => [
      [...at, "docker", "env", name],
      text,
    ]),
    ...["nofile", "BAD", "core"].map((name): Leaf => [
      [...at, "docker", "ulimits", name],
      fc.oneof(count, oneOf("1:2", "unlimited", "many"), fc.record({ soft: count, hard: count })),
    ]),
  ];
};

const tools = (at: Path): readonly Leaf[] => [
  [[...at, "sandbox", "tools", "allow"], fc.oneof(fc.constant([]), fc.constant(["group:nope"]), texts)],
  [[...at, "sandbox", "tools", "deny"], fc.oneof(fc.constant(["group:nope", "exec"]), texts)],
  [[...at, "sandbox", "tools", "alsoAllow"], texts],
  [[...at, "elevated", "enabled"], fc.boolean()],
  [[...at, "elevated", "allowFrom", "chat"], fc.array(fc.oneof(text, count), { maxLength: 2 })],
  [[...at, "elevated", "allowFrom", "bad name\n"], texts],
  [[...at, "profile"], text],
];

const LEAVES: readonly Leaf[] = [
  ...sandbox(["agents", "defaults", "sandbox"]),
  [["agents", "defaults", "workspace"], text],
  [["agents", "defaults", "model"], text],
  ...tools(["tools"]),
  ...[0, 1].flatMap((index): readonly Leaf[] => {
    const at = ["agents", "list", index];
    return [
      [[...at, "workspace"], text],
      [[...at, "name"], text],
      ...sandbox([...at, "sandbox"]),
      ...tools([...at, "tools"]),
    ];
  }),
  [["plugins", "entries", "openshell", "config", "mode"], text],
  [["channels"], texts],
];

const chosen = fc
  .subarray([...LEAVES])
  .chain((leaves) => fc.tuple(...leaves.map(([path, value]) => fc.tuple(fc.constant(path), value))));

/** The table with these leaves. Lists are dense, because both elements always have an id. */
function tableOf(leaves: readonly (readonly [Path, unknown])[]): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const [path, value] of leaves) {
    let at: Record<string | number, unknown> = root;
    for (const [index, key] of path.slice(0, -1).entries()) {
      at[key] ??= typeof path[index + 1] === "number" ? [] : {};
      at = at[key] as Record<string | number, unknown>;
    }
    at[path.at(-1) ?? ""] = value;
  }
  return root;
}

const keysOf = ({ mapped, changed, unmapped }: Imported): readonly string[] =>
  [...mapped, ...changed, ...unmapped].map(({ key }) => key).toSorted();

async function expectSound(outcome: Imported, keys: readonly string[]): Promise<void> {
  expect(keysOf(outcome)).toEqual(keys.toSorted());
  expect((await check(outcome.text)).filter(({ severity }) => severity === "error")).toEqual([]);
  // Nothing in the file moves a terminal's cursor, reverses text, or hides.
  expect(outcome.text).not.toMatch(/[^\n\P{Cc}]|\p{Cf}|\p{Zl}|\p{Zp}/u);
  for (const { to, note } of outcome.unmapped)
    expect([to.length, (note ?? "").length > 0]).toEqual([0, true]);
  for (const { note } of outcome.changed) expect(note).not.toBe("");
  for (const { to, note } of outcome.mapped) expect([to.length > 0, note]).toEqual([true, undefined]);
}

const IDS: readonly (readonly [Path, unknown])[] = [
  [["agents", "list", 0, "id"], "main"],
  [["agents", "list", 1, "id"], "__proto__ helper"],
];

/** What becomes of these leaves, and their keys. */
async function importLeaves(
  leaves: readonly (readonly [Path, unknown])[],
): Promise<readonly [Imported, readonly string[]]> {
  const all = [...IDS, ...leaves];
  const source = JSON.stringify({ secrets: { providers: PROVIDERS }, ...tableOf(all) });
  const outcome = await imported("a.json", source, "fluffbuzz");
  return [outcome, ["secrets", ...all.map(([path]) => formatKeyPath(path))]];
}

it("any subset of FluffBuzz's keys becomes a config that sandkeep accepts, and every key is told of once", async () => {
  await fc.assert(
    fc.asyncProperty(chosen, async (leaves) => {
      await expectSound(...(await importLeaves(leaves)));
    }),
    { numRuns: 150 },
  );
}, 120_000);

/** Agents that ask for Podman themselves or leave it to the defaults, which ask for it, too, or are nobody's. */
const onPodman = fc.constantFrom<readonly (readonly [Path, unknown])[]>(
  [[["agents", "defaults", "sandbox", "backend"], "podman"]],
  [
    [["agents", "defaults", "sandbox", "backend"], "docker"],
    [["agents", "list", 0, "sandbox", "backend"], "podman"],
    [["agents", "list", 1, "sandbox", "backend"], "podman"],
  ],
);

it("where every sandbox is Podman's, nothing is written to Docker's section, and every key is told of once", async () => {
  await fc.assert(
    fc.asyncProperty(chosen, onPodman, async (leaves, backends) => {
      const others = leaves.filter(([path]) => path.at(-1) !== "backend");
      const [outcome, keys] = await importLeaves([...others, ...backends]);
      await expectSound(outcome, keys);
      const { mapped, changed, defaults } = outcome;
      const to = [...mapped, ...changed].flatMap((key) => key.to);
      const written = [...to, ...defaults.map((each) => each.to)];
      expect(written.filter((key) => /\bsandbox\.docker\b/.test(key))).toEqual([]);
      expect(outcome.text).not.toMatch(/^(?:# )?\[.*\bsandbox\.docker\b/m);
    }),
    { numRuns: 60 },
  );
}, 120_000);

const flag = fc
  .tuple(
    fc.constantFrom(
      "network",
      "memory",
      "memory-swap",
      "cpus",
      "pids-limit",
      "volume",
      "mount",
      "env",
      "user",
      "workdir",
      "cap-drop",
      "security-opt",
      "tmpfs",
      "dns",
      "add-host",
      "gpus",
      "ulimit",
      "shm-size",
      "restart",
      "label",
      "stop-timeout",
      "pull",
      "read-only",
      "init",
      "privileged",
      "cap-add",
      "made-up",
      "rm",
      "constructor",
    ),
    fc.oneof(
      fc.constantFrom(
        "none",
        "host",
        "1g",
        "-1",
        "2",
        "/srv/a:/a",
        "./a:/a:ro,z",
        "/a",
        "A=b",
        "TOKEN=x",
        "A",
        "nofile=1:2",
      ),
      fc.constantFrom(
        "seccomp=unconfined",
        "no-new-privileges",
        "db=10.0.0.5",
        "type=bind,src=./a,dst=/b,ro",
        "1.1.1.1",
      ),
      text,
    ),
  )
  .map(([name, value]) => `--${name}=${value}`);

it("any list of flags becomes a config that sandkeep accepts, and every flag is told of once", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(flag, { maxLength: 12 }), fc.boolean(), async (flags, isDocker) => {
      const options = {
        sandbox: { ...(isDocker ? { backend: "docker" } : {}), docker: { image: "a", extra_args: flags } },
      };
      const source = `[options.sandbox]\n${isDocker ? 'backend = "docker"\n' : ""}docker = { image = "a", extra_args = ${JSON.stringify(options.sandbox.docker.extra_args).replaceAll("\u007f", "\\u007f")} }`;
      const outcome = await imported("a.toml", source);
      const keys = flags.map(
        (each, index) => `options.sandbox.docker.extra_args[${index}] ${each.slice(0, each.indexOf("="))}`,
      );
      const others = [...(isDocker ? ["options.sandbox.backend"] : []), "options.sandbox.docker.image"];
      await expectSound(outcome, [...others, ...keys]);
    }),
    { numRuns: 200 },
  );
});

it("a credential is found nowhere in what is written or told", async () => {
  const secret = fc.stringMatching(/^[A-Za-z0-9]{24}$/).map((each) => `ghp_${each}`);
  await fc.assert(
    fc.asyncProperty(secret, fc.subarray(["a", "b", "c", "d", "e", "f"]), async (canary, where) => {
      const has = (name: string): string => (where.includes(name) ? canary : "plain");
      const config = {
        agents: {
          defaults: {
            sandbox: {
              ssh: {
                target: "ci@build",
                identityFile: has("a"),
                identityData: canary.slice(4),
                certificateData: { source: "env", id: canary },
                knownHostsData: `build ssh-ed25519 AAAA ${canary}\n${canary.slice(4)}`,
              },
              docker: {
                env: { A: has("b"), MY_PASSWORD: canary.slice(4) },
                setupCommand: ["true", `login ${has("c")}`],
                binds: [`/srv/${has("d")}:/a`],
              },
            },
          },
        },
        tools: { sandbox: { tools: { allow: [has("e")] } } },
        channels: { token: has("f") },
      };
      const told = JSON.stringify(await imported("a.json", JSON.stringify(config)));
      expect(told).not.toContain(canary.slice(4));
      const args = [
        "-e",
        `A=${canary}`,
        `--label=x=${has("a")}`,
        "--made-up",
        canary,
        `-v=/${has("b")}:/a`,
        canary,
      ];
      const bmo = JSON.stringify(
        await imported("a.toml", `[options.sandbox.docker]\nextra_args = ${JSON.stringify(args)}`),
      );
      expect(bmo).not.toContain(canary.slice(4));
    }),
    { numRuns: 40 },
  );
});
