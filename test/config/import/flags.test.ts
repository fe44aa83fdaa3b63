import { expect, it } from "vitest";
import { readFlag } from "../../../src/config/import/docker-flag-fields.ts";
import { readDockerFlags } from "../../../src/config/import/docker-flags.ts";
import { bind, dockerBytes, namePrefix } from "../../../src/config/import/docker-values.ts";
import { imported } from "./scene.ts";

const read = (...argv: readonly string[]) =>
  readDockerFlags(argv).map(({ index, name, value }) => [
    index,
    name,
    ...(value === undefined ? [] : [value]),
  ]);

it("reads arguments as docker does", () => {
  expect(read("--network=none", "--memory", "1g", "-v", "/a:/b", "-eA=b=c")).toEqual([
    [0, "network", "none"],
    [1, "memory", "1g"],
    [3, "volume", "/a:/b"],
    [5, "env", "A=b=c"],
  ]);
  expect(read("-itd", "-u", "0", "-itu1000", "--rm", "x")).toEqual([
    [0, "interactive"],
    [0, "tty"],
    [0, "detach"],
    [1, "user", "0"],
    [3, "interactive"],
    [3, "tty"],
    [3, "user", "1000"],
    [4, "rm"],
    [5, "", "x"],
  ]);
  expect(read("--memory-swap", "-1", "--env", "--init", "--read-only=false", "-", "")).toEqual([
    [0, "memory-swap", "-1"],
    [2, "env"],
    [3, "init"],
    [4, "read-only", "false"],
    [5, "", "-"],
    [6, "", ""],
  ]);
});

it("reads sizes in 1024s, whatever the spelling", () => {
  const sizes: readonly (string | number)[] = [
    "512m",
    "512MB",
    "512MiB",
    "1.5g",
    "64",
    64,
    "b",
    "1e3",
    "-1",
    "9999999999999999t",
  ];
  expect(sizes.map(dockerBytes)).toEqual([
    536870912,
    536870912,
    536870912,
    1610612736,
    64,
    64,
    undefined,
    undefined,
    -1,
    undefined,
  ]);
});

it("keeps of a bind's options only what sandkeep has", () => {
  expect(bind("/a:/b:ro,z")).toEqual({ value: "/a:/b:ro", dropped: ["z"] });
  expect(bind("/a:/b:Z")).toEqual({ value: "/a:/b", dropped: ["Z"] });
  expect(bind("/a:/b")).toEqual({ value: "/a:/b", dropped: [] });
});

const BINDS = ["sandbox", "docker", "binds"];
const TMPFS = ["sandbox", "docker", "tmpfs"];
const NONE = { why: "its value is none that Docker reads" };

it.each<[string, object]>([
  ["type=bind,src=/a,dst=/b", { sets: [], adds: { path: BINDS, values: ["/a:/b:rw"] } }],
  ["type=bind,src=/a,dst=/b,readonly=0", { sets: [], adds: { path: BINDS, values: ["/a:/b:rw"] } }],
  ["type=bind,src=/a,dst=/b,ro=true", { sets: [], adds: { path: BINDS, values: ["/a:/b:ro"] } }],
  [
    "type=bind,src=/a,dst=/b,ro,bind-propagation=rslave,consistency=cached",
    {
      sets: [],
      adds: { path: BINDS, values: ["/a:/b:ro"] },
      note: "the mount options bind-propagation, consistency are left out",
    },
  ],
  ["type=tmpfs,dst=/t", { sets: [], adds: { path: TMPFS, values: ["/t"] } }],
  ["type=tmpfs,dst=/t,tmpfs-size=0", { sets: [], adds: { path: TMPFS, values: ["/t"] } }],
  [
    "type=tmpfs,dst=/t,ro,tmpfs-size=1m,tmpfs-mode=0700",
    { sets: [], adds: { path: TMPFS, values: ["/t:ro,size=1048576,mode=0700"] } },
  ],
  [
    "type=tmpfs,dst=/t,consistency=cached",
    {
      sets: [],
      adds: { path: TMPFS, values: ["/t"] },
      note: "the mount options consistency are left out",
    },
  ],
  ["type=tmpfs,dst=/t,tmpfs-size=much", NONE],
  ["type=tmpfs,dst=/t,tmpfs-size=-1", NONE],
  ["type=tmpfs,dst=/t,tmpfs-mode=rwx", NONE],
  ["type=bind,src=/a,dst=/b,readonly=perhaps", NONE],
  ["type=bind,src=/a", NONE],
])("--mount=%s loses no option without saying so", (value, outcome) => {
  expect(readFlag({ index: 0, name: "mount", shown: "--mount", value })).toEqual(outcome);
});

it.each([
  ["openclaw-sbx-", "openclaw-sbx"],
  ["My_Company.Sandboxes.", "my-company-sandb"],
  ["--x", "x"],
])("the prefix %s becomes %s", (given, fits) => {
  expect(namePrefix(given)).toMatchObject({ sets: [{ path: ["name_prefix"], value: fits }] });
});

it("a prefix without a letter has no equal", () => {
  expect(namePrefix("___")).toHaveProperty("why");
});

it("a tool that is named is not looked for", async () => {
  const { product, text } = await imported("a.json", "{}", "openclaw");
  expect(product).toBe("openclaw");
  expect(text).toContain('image = "openclaw-sandbox:bookworm-slim"');
});
