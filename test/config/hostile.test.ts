import { open } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadConfig, parseConfigText } from "../../src/config/index.ts";
import { BACKENDS, inFolder, lines, MINIMAL, places } from "./folder.ts";

function many(text: string, count: number): string {
  return text.repeat(count);
}

const MIB = 1024 * 1024;

async function codes(name: string, text: string): Promise<readonly string[]> {
  const { diagnostics } = await parseConfigText(name, text, BACKENDS);
  return [...new Set(diagnostics.map(({ code }) => code))];
}

describe("a hostile text gets a diagnostic, quickly", () => {
  it.each<[string, string, string, readonly string[]]>([
    ["deep arrays", "a.toml", `${MINIMAL}a = ${many("[", 1_000_000)}`, ["too-deep"]],
    ["deep tables", "a.toml", `${MINIMAL}a = ${many("{a=", 1_000_000)}`, ["too-deep"]],
    ["deep dotted key", "a.toml", `${MINIMAL}${many("a.", 4_000_000)}a = 1`, ["too-deep"]],
    ["deep header", "a.toml", `${MINIMAL}[${many("a.", 4_000_000)}a]`, ["too-deep"]],
    ["deep JSON", "a.json", many('{"a":', 1_000_000), ["too-deep"]],
    ["deep JSON5", "a.json5", many("[", 1_000_000), ["too-deep"]],
    ["millions of tables", "a.toml", many("[[a]]\n", 2 * MIB), ["too-many-keys"]],
    ["millions of elements", "a.json", `[${many("[],", 4 * MIB)}`, ["too-many-keys"]],
    [
      "many wrong elements",
      "a.toml",
      `${MINIMAL}include = [${many("1,", 400_000)}]`,
      ["wrong-type", "too-many-problems"],
    ],
    [
      "more than zod can hold",
      "a.toml",
      `${MINIMAL}agents.a.sessions = [${many("1,", 400_000)}]`,
      ["too-many-problems"],
    ],
    [
      "many unknown keys",
      "a.toml",
      MINIMAL + Array.from({ length: 200_000 }, (_, index) => `k${index} = 1\n`).join(""),
      ["unknown-key", "too-many-problems"],
    ],
    [
      "many equal keys",
      "a.json",
      `{${many('"a":1,', 500_000)}"a":1}`,
      ["missing-key", "duplicate-key", "too-many-problems"],
    ],
    ["a huge string", "a.toml", `${MINIMAL}sandbox.setup = ["${many("x", 10 * MIB)}"]`, ["too-long"]],
    ["a huge key", "a.toml", `${MINIMAL}${many("x", 10 * MIB)} = 1`, ["too-long", "unknown-key"]],
    [
      "a huge name",
      "a.toml",
      `version = 1\nfleet = "${many("x", 10 * MIB)}"\nfleet_id = "abcd"`,
      ["too-long", "wrong-value"],
    ],
    ["an endless string", "a.toml", `a = "${many("\\\\", 4 * MIB)}`, ["syntax"]],
    ["an endless comment", "a.json5", `{/*${many("*", 8 * MIB)}`, ["syntax"]],
    ["only blanks", "a.json5", many(" \n", 4 * MIB), ["syntax"]],
    ["only brackets closed", "a.toml", many("]", 4 * MIB), ["syntax"]],
    ["a number too large", "a.toml", `${MINIMAL}sandbox.docker.cpus = 1e999`, ["wrong-type"]],
    ["not a number", "a.toml", `${MINIMAL}sandbox.docker.cpus = nan`, ["wrong-type"]],
  ])(
    "%s",
    async (_name, file, text, expected) => {
      expect((await codes(file, text)).toSorted()).toEqual([...expected].toSorted());
    },
    60_000,
  );
});

describe("keys that mean something to JavaScript", () => {
  it.each([
    [
      "a.toml",
      `${MINIMAL}[agents.__proto__]\nx = 1\n[sandbox.env]\nconstructor = "a"\n"prototype" = 'b'`,
      ["4:9", "7:1", "8:1"],
    ],
    [
      "a.json",
      `{"version": 1, "fleet": "a", "fleet_id": "abcd",\n"__proto__": {"fleet": 1}, "agents": {"constructor": {}}}`,
      ["2:1", "2:39"],
    ],
    ["a.json5", `{version: 1, fleet: 'a', fleet_id: 'abcd',\n '\\x5f_proto__': {polluted: 1}}`, ["2:2"]],
  ])("are refused in %s", async (name, text, expected) => {
    const { diagnostics } = await parseConfigText(name, text, BACKENDS);
    expect(diagnostics.map(({ line, column }) => `${line}:${column}`)).toEqual(expected);
    expect(diagnostics.map(({ code }) => code)).toEqual(expected.map(() => "reserved-key"));
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it("other names of Object.prototype are names like any other", async () => {
    const outcome = await parseConfigText(
      "a.toml",
      `${MINIMAL}[agents.toString]\n[agents.hasOwnProperty]`,
      BACKENDS,
    );
    expect(outcome.ok && Object.keys(outcome.config.agents ?? {})).toEqual(["toString", "hasOwnProperty"]);
  });
});

describe("bytes", () => {
  it.each<[string, Buffer, readonly string[]]>([
    ["a stray byte", Buffer.from("version = 1\n# \u00e9 \xff\n", "latin1"), ["2:3 invalid-utf8 "]],
    [
      "half a character",
      Buffer.concat([Buffer.from('# ok é\n# "'), Buffer.from([0xef, 0xbf, 0x41])]),
      ["2:4 invalid-utf8 "],
    ],
    [
      "half a character at the end",
      Buffer.concat([Buffer.from("# é"), Buffer.from([0xe2, 0x82])]),
      ["1:4 invalid-utf8 "],
    ],
    ["UTF-16", Buffer.from("\ufeffversion = 1", "utf16le"), ["1:1 invalid-utf8 "]],
    ["a NUL", Buffer.from("version = 1\nfleet = \0"), ["2:9 invalid-text "]],
    [
      "an escaped NUL",
      Buffer.from(`${MINIMAL}sandbox.env = { A = "\\u0000" }`),
      ["4:17 invalid-text sandbox.env.A"],
    ],
    ["a byte order mark", Buffer.from(`\ufeff${MINIMAL}x = 1`), ["4:1 unknown-key x"]],
    ["an empty file", Buffer.from(""), ["1:1 missing-key fleet", "1:1 missing-key version"]],
  ])("%s", async (_name, bytes, expected) => {
    await inFolder({ "sandkeep.toml": bytes }, async (folder) => {
      const { diagnostics } = await loadConfig({ cwd: folder, backends: BACKENDS });
      expect(places(diagnostics)).toEqual(expected);
    });
  });

  it("a lone half of a surrogate pair in an escape", async () => {
    const text = '{"version": 1, "fleet": "a", "fleet_id": "abcd", "sandbox": {"env": {"A": "\\ud800"}}}';
    const { diagnostics } = await parseConfigText("a.json", text, BACKENDS);
    expect(places(diagnostics)).toEqual(["1:70 invalid-text sandbox.env.A"]);
  });

  it("a file over 16 MiB is not read", async () => {
    await inFolder({}, async (folder) => {
      const handle = await open(join(folder, "sandkeep.toml"), "w");
      // Sparse: it costs no disk.
      await handle.truncate(64 * 1024 * MIB);
      await handle.close();
      const { diagnostics } = await loadConfig({ cwd: folder, backends: BACKENDS });
      expect(lines(diagnostics)).toEqual([
        "sandkeep.toml error too-large : sandkeep.toml is larger than 16 MiB | split the file with include",
      ]);
    });
  });
});
