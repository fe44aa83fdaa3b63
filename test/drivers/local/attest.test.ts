import { chmod, mkdir, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { expect, test } from "vitest";
import { findProgram } from "../../../src/util/program.ts";
import type { Check } from "../../../src/model/attestation.ts";
import type { Wish } from "./fixture.ts";
import { bench, make, specOf } from "./fixture.ts";

const brief = (checks: readonly Check[]): string[] =>
  checks.map(({ path, status, found }) => `${path} ${status} ${JSON.stringify(found)}`);

const CONFINED = { workspace: { access: "ro" }, local: { isolation: "bubblewrap" } } as const;

test("every promise of a sandbox is kept", async () => {
  await using on = await bench();
  const id = await make(on, CONFINED);
  expect(brief(await on.driver.attest(id, specOf(on, CONFINED)))).toEqual([
    "local.isolation held []",
    'local.isolation held "1"',
    'local.isolation held "ro"',
    'local.isolation held "ro"',
    'workspace.access held "ro"',
    'local.network held "none"',
  ]);
});

test("nothing is promised without isolation, so nothing is looked at", async () => {
  await using on = await bench();
  expect(await on.driver.attest(await make(on, {}), specOf(on, {}))).toEqual([]);
});

test.each<[string, string, string]>([
  ["leaves the network as it is", "--unshare-net", 'local.network broken ["'],
  ["leaves the root writable", "--remount-ro", 'local.isolation broken "rw"'],
])("a bubblewrap that %s is found out", async (_, dropped, expected) => {
  const real = (await findProgram("bwrap", process.env)) ?? "";
  const path = { PATH: process.env["PATH"] };
  await using on = await bench({ ...process.env, ...path });
  const folder = join(on.base, "bin");
  await mkdir(folder);
  // The same program, but for one option; `--remount-ro` has a value that goes with it.
  const script = `#!/bin/sh
n=$#
while [ $n -gt 0 ]; do
  word=$1; shift; n=$((n - 1))
  if [ "$word" = ${dropped} ]; then
    [ "$word" = --remount-ro ] && { shift; n=$((n - 1)); }
    continue
  fi
  set -- "$@" "$word"
done
exec ${real} "$@"
`;
  await writeFile(join(folder, "bwrap"), script);
  await chmod(join(folder, "bwrap"), 0o755);
  const wish: Wish = { local: { isolation: "bubblewrap" } };
  const id = await make(on, wish);
  Object.assign(on.deps.env, { PATH: `${folder}${delimiter}${process.env["PATH"] ?? ""}` });
  const found = brief(await on.driver.attest(id, specOf(on, wish)));
  expect(found.filter((each) => each.includes(" broken "))).toEqual([expect.stringContaining(expected)]);
});
