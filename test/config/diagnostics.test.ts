import { describe, expect, it } from "vitest";
import { parseConfigText } from "../../src/config/index.ts";
import { BACKENDS, lines, MINIMAL } from "./folder.ts";

/** Diagnostics of a minimal config with `text` after its three lines; so `text` begins at line 4. */
async function after(text: string): Promise<readonly string[]> {
  const { diagnostics } = await parseConfigText("a.toml", MINIMAL + text, BACKENDS);
  return lines(diagnostics);
}

async function whole(text: string, name = "a.toml"): Promise<readonly string[]> {
  const { diagnostics } = await parseConfigText(name, text, BACKENDS);
  return lines(diagnostics);
}

describe("the fleet itself", () => {
  it.each([
    ["", ["missing-key version", "missing-key fleet"]],
    ['fleet = "a"\nfleet_id = "abcd"', ["missing-key version"]],
  ])("tells what is missing in %j", async (text, expected) => {
    const { diagnostics } = await parseConfigText("a.toml", text, BACKENDS);
    expect(diagnostics.map(({ code, path }) => `${code} ${path}`).toSorted()).toEqual(expected.toSorted());
    expect(diagnostics.every(({ line, column }) => line === 1 && column === 1)).toBe(true);
  });

  it("names the versions it reads, and says nothing else about another version", async () => {
    expect(await whole('\nversion = 2\nfleet = 1\nnew_key = "x"\n')).toEqual([
      "a.toml:2:1 error unknown-version version: config version 2 is unknown; this sandkeep reads version 1 | " +
        "write version = 1, or install a sandkeep that reads this version",
    ]);
  });

  it("does not take a version in quotes for another version", async () => {
    expect(await whole('version = "1"\nfleet = "a"\nfleet_id = "abcd"')).toEqual([
      'a.toml:1:1 error wrong-value version: expected 1, the config version, got "1" | write it without quotes',
    ]);
  });

  it("warns without a fleet_id", async () => {
    const outcome = await parseConfigText("a.toml", 'version = 1\nfleet = "team"\n', BACKENDS);
    expect(outcome.ok).toBe(true);
    expect(lines(outcome.diagnostics)).toEqual([
      "a.toml:2:1 warning no-fleet-id fleet: no fleet_id: the name alone owns what this fleet makes | " +
        "add fleet_id, 4 to 32 random letters and digits, so that another fleet of this name stays foreign",
    ]);
  });

  it.each([
    ['version = 1\nfleet = "Team"\nfleet_id = "k3v9q2"', "2:1", "wrong-value"],
    ['version = 1\nfleet = "team"\nfleet_id = "k-3"', "3:1", "wrong-value"],
    ['version = 1\nfleet = "team"\nfleet_id = "k3v9q2"\nname_prefix = "-x"', "4:1", "wrong-value"],
  ])("checks names: %j", async (text, place, code) => {
    const { diagnostics } = await parseConfigText("a.toml", text, BACKENDS);
    expect(diagnostics.map((each) => `${each.line}:${each.column} ${each.code}`)).toEqual([
      `${place} ${code}`,
    ]);
  });
});

describe("unknown keys", () => {
  it.each([
    [
      "[agents.work]\nsesions = []",
      '5:1 error unknown-key agents.work.sesions: unknown key "sesions" | did you mean "sessions"?',
    ],
    [
      "[agents.work]\ncolour = 1",
      '5:1 error unknown-key agents.work.colour: unknown key "colour" | known keys here: sessions, sandbox, tools',
    ],
    [
      '[sandbox]\n  image = "x"',
      '5:3 error unknown-key sandbox.image: unknown key "image" | write it as egress.image or docker.image or podman.image or buildkit.image',
    ],
    [
      "[hosts.b]\ntls = { ca = 'a', cert = 'b', key = 'c', keys = 'd' }",
      '5:42 error unknown-key hosts.b.tls.keys: unknown key "keys" | did you mean "key"?',
    ],
    [
      "[agents.a.tools.groups]\nfs = []",
      '4:17 error unknown-key agents.a.tools.groups: unknown key "groups" | known keys here: sandbox, elevated',
    ],
    [
      '[sandbox.secrets]\nA = { evn = "B" }',
      '5:7 error unknown-key sandbox.secrets.A.evn: unknown key "evn" | did you mean "env"?',
    ],
  ])("%j", async (text, expected) => {
    expect(await after(text)).toEqual([`a.toml:${expected}`]);
  });
});

describe("wrong values", () => {
  it.each([
    [
      '[sandbox]\nmode = "al"',
      '5:1 error wrong-value sandbox.mode: expected one of off, non-main, all, got "al" | did you mean "all"?',
    ],
    [
      "[sandbox]\nenv = { PORT = 80 }",
      "5:9 error wrong-type sandbox.env.PORT: expected a text, got a number | put the value in quotes",
    ],
    [
      '[sandbox.secrets]\nPPID = { env = "A" }',
      '5:1 error wrong-name sandbox.secrets.PPID: expected a variable name of letters, digits and underscores that starts with no digit, and is neither PATH nor one that shells keep for themselves, got "PPID" | rename the key',
    ],
    [
      '[sandbox.secrets]\nPATH = { env = "A" }',
      '5:1 error wrong-name sandbox.secrets.PATH: expected a variable name of letters, digits and underscores that starts with no digit, and is neither PATH nor one that shells keep for themselves, got "PATH" | rename the key',
    ],
    [
      '[networks.a]\negress = { allow = [], image = "x" }\noptions = { "com.docker.network.bridge.inhibit_ipv4" = "1" }',
      `6:13 error wrong-value networks.a.options."com.docker.network.bridge.inhibit_ipv4": behind a gate the engine's machine has no address: sandkeep sets this option itself, got "1" | com.docker.network.bridge.inhibit_ipv4: Options of the driver, such as { "com.docker.network.driver.mtu" = "1400" }.`,
    ],
    [
      '[networks.a]\negress = { allow = [], image = "x" }\ninternal = false',
      "6:1 error wrong-value networks.a.internal: a network with egress is internal: the gate is its only way out, got false | internal: Whether the engine lets nothing off it.",
    ],
    [
      '[sandbox]\nsetup = "x"',
      '5:1 error wrong-type sandbox.setup: expected a list, got a text | put it in brackets: ["x"]',
    ],
    [
      '[sandbox]\nprotect = "true"',
      "5:1 error wrong-type sandbox.protect: expected true or false, got a text | write it without quotes",
    ],
    [
      "[sandbox.prune]\nidle = 24",
      '5:1 error wrong-value sandbox.prune.idle: expected a duration with a unit (ms, s, m, h, d, w), such as "90s" or "1h30m", or "off", got 24 | ' +
        'idle: Unused for this long, a sandbox is removed until its next use. "off" keeps it.',
    ],
    [
      "[watch]\nresync = 5",
      '5:1 error wrong-type watch.resync: expected a duration with a unit (ms, s, m, h, d, w), such as "90s" or "1h30m", got a number | resync: How often everything is looked at again, such as "5m".',
    ],
    [
      '[sandbox.docker]\nmemory = "512m"',
      '5:1 error wrong-value sandbox.docker.memory: expected a size with a unit (B, kB, MB, GB, TB, KiB, MiB, GiB, TiB), such as "64MiB", or a whole number of bytes, got "512m" | ' +
        'memory: Memory limit, such as "2GiB".',
    ],
    [
      "[guards]\nmax_destroy = -1",
      '5:1 error wrong-value guards.max_destroy: expected a whole number of at least 0, or "off", got -1 | max_destroy: A plan that removes more orphans than this needs --max-destroy. "off" disables.',
    ],
    [
      '[sandbox.docker]\nbinds = ["./a:/a", "vol:/b"]',
      '5:20 error wrong-value sandbox.docker.binds[1]: expected a source path that starts with "/", "." or "~/"; named volumes are not binds, got "vol:/b" | ' +
        'binds: Paths of the engine\'s machine to mount: "source:target[:ro|rw]". Agents add to the defaults.',
    ],
    [
      "[sandbox.docker]\nlabels = { 'sandkeep.fleet' = 'x' }",
      '5:12 error wrong-name sandbox.docker.labels."sandkeep.fleet": expected a label name without spaces or "=" that does not start with "sandkeep.", which is reserved, got "sandkeep.fleet" | rename the key',
    ],
    [
      "[sandbox.docker.ulimits]\nnofile = { soft = 1 }",
      '5:1 error missing-key sandbox.docker.ulimits.nofile.hard: missing key "hard"; expected a number | add hard: Limit a process may raise itself to.',
    ],
    [
      "[watch]\nworkers = 65",
      "5:1 error wrong-value watch.workers: expected a whole number from 1 to 64, got 65 | workers: How many things watch works on at once, 1 to 64.",
    ],
    [
      '[agents."a b"]',
      '4:9 error wrong-name agents."a b": expected a name of 1 to 64 letters, digits, dots, underscores or dashes, got "a b" | rename the key',
    ],
    [
      "[sandbox]\nenv = { '1A' = 'x' }",
      '5:9 error wrong-name sandbox.env.1A: expected a variable name of letters, digits and underscores that starts with no digit, got "1A" | rename the key',
    ],
    [
      "[sandbox.ready]\ntimeout = '1s'",
      '4:10 error missing-key sandbox.ready.command: missing key "command"; expected a list | add command: Program that exits with 0 once the sandbox is ready. No shell.',
    ],
    [
      "[sandbox.workspace]\ntarget = '/a/../b'",
      '5:1 error wrong-value sandbox.workspace.target: expected an absolute path inside the sandbox other than /, got "/a/../b" | target: Where the workspace appears; also the working directory.',
    ],
    [
      "agents = 1979-05-27",
      "4:1 error wrong-type agents: expected a table, got a date | agents: The agents of this fleet, by name.",
    ],
  ])("%j", async (text, expected) => {
    expect(await after(text)).toEqual([`a.toml:${expected}`]);
  });

  it("does not repeat what may be a secret", async () => {
    const told = [
      ...(await after('[sandbox.secrets]\nTOKEN = "hunter2"\nOTHER = { env = "hunter2 x" }')),
      ...(await after('[secrets]\nkey = "hunter2"')),
      ...(await after('[hosts.a]\ndocker = "tcp://me:hunter2@host:2375"')),
      ...(await after('[hosts.a]\ndocker = "ssh://me:hunter2@host"')),
    ];
    expect(told).toHaveLength(5);
    expect(told.join("\n")).not.toContain("hunter2");
  });
});

describe("references", () => {
  it.each([
    [
      '[hosts.build1]\n[agents.work.sandbox]\nhost = "bulid1"',
      '6:1 error unknown-host agents.work.sandbox.host: expected the name of a host in [hosts], got "bulid1" | did you mean "build1"?',
    ],
    [
      '[hosts.alpha]\n[hosts.beta]\n[sandbox]\nhost = "zzz"',
      '7:1 error unknown-host sandbox.host: expected the name of a host in [hosts], got "zzz" | declared hosts: alpha, beta',
    ],
    [
      '[sandbox]\nhost = "toString"',
      '5:1 error unknown-host sandbox.host: expected the name of a host in [hosts], got "toString" | declare it as [hosts.toString], or remove this key',
    ],
    [
      '[sandbox]\nbackend = "dokcer"',
      '5:1 error unknown-backend sandbox.backend: expected one of local, docker, memory, got "dokcer" | did you mean "docker"?',
    ],
    ...["openshell", "qemu", "kubernetes"].map((name) => [
      `[agents.a]\nsandbox.backend = "${name}"`,
      `5:9 error reserved-backend agents.a.sandbox.backend: the backend "${name}" is reserved for later | this sandkeep has: local, docker, memory`,
    ]),
    [
      '[agents.a]\nsessions = ["main", "x", "main"]',
      '5:26 error duplicate-session agents.a.sessions[2]: the session "main" is listed twice | remove one of the two',
    ],
  ])("%j", async (text, expected) => {
    expect(await after(text)).toEqual([`a.toml:${expected}`]);
  });

  it("a reserved name is a backend once there is a driver", async () => {
    const text = `${MINIMAL}[sandbox]\nbackend = "qemu"`;
    expect((await parseConfigText("a.toml", text, ["local", "qemu"])).ok).toBe(true);
  });
});

describe("syntax", () => {
  it.each([
    ["a.toml", "version = 1\nfleet = team", "a.toml:2:9 error syntax : not valid TOML: invalid value"],
    [
      "a.toml",
      "version = 1\nversion = 2",
      "a.toml:2:1 error syntax : not valid TOML: trying to redefine an already defined table or value",
    ],
    [
      "a.json",
      '{\n  "version": 1,\n}',
      "a.json:2:15 error syntax : not valid JSON: comments, trailing commas and the like are JSON5",
    ],
    ["a.json", '{\n  "version": }', "a.json:2:14 error syntax : not valid JSON: invalid character '}'"],
    [
      "a.json5",
      "{\n  version: 1\n  fleet: 2}",
      "a.json5:3:3 error syntax : not valid JSON: invalid character 'f'",
    ],
    ["a.json5", "{ a: 1", "a.json5:1:7 error syntax : not valid JSON: invalid end of input"],
    ["a.json", "[1]", "a.json:1:1 error wrong-type : expected a table of keys at the top level"],
    [
      "a.yaml",
      "version: 1",
      'a.yaml:1:1 error unknown-format : expected a .toml, .json5 or .json file, got "a.yaml"',
    ],
  ])("%s %j", async (name, text, expected) => {
    const found = await whole(text, name);
    expect(found.map((line) => line.split(" | ")[0])).toEqual([expected]);
  });

  it("tells of a key set twice in JSON, which parsers accept silently", async () => {
    const text = '{"version": 1, "fleet": "a", "fleet_id": "abcd",\n "agents": {}, "agents": {"x": {}}}';
    expect(await whole(text, "a.json")).toEqual([
      'a.json:2:16 error duplicate-key agents: the key "agents" is already set at 2:2 | keep one of the two',
    ]);
  });
});
