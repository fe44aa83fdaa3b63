import { expect, it } from "vitest";
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
