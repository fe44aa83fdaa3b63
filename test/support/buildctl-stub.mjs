#!/usr/bin/env node
/**
 * A stub of buildctl, which no package of these machines has. It takes the arguments of the real one and refuses all others,
 * has its exit code (1 for every failure) and its formats of progress, and has Docker's buildx do the work on the real worker.
 * BUILDCTL_STUB_VERSION is what it says it is; from 0.13 on it knows rawjson, one object a line.
 * What it cannot show is how the real one names what it sends: that is held against its arguments.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const BUILDX = "/usr/local/lib/sandkeep-test/buildx/docker-buildx";
const version = process.env.BUILDCTL_STUB_VERSION ?? "0.32.0";
const knowsJson = Number(version.split(".")[1]) >= 13;
const config = mkdtempSync(join(tmpdir(), "buildctl-stub-"));
let running;
let ended = false;

process.on("exit", () => rmSync(config, { recursive: true, force: true, maxRetries: 3 }));
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, () => {
    ended = true;
    if (running === undefined) fail("context canceled");
    running.kill("SIGTERM");
  });
}

function fail(message) {
  process.stderr.write(`error: ${message}\n`);
  process.exit(1);
}

/**
 * Options by name, each a list; whatever is not in `known` is refused as the real one does.
 * @param {string[]} argv
 * @param {Record<string, "value" | "switch">} known
 * @returns {Record<string, string[]>}
 */
function read(argv, known) {
  const found = Object.fromEntries(Object.keys(known).map((name) => [name, []]));
  for (let at = 0; at < argv.length; at += 1) {
    const name = argv[at].replace(/^--/, "");
    if (!argv[at].startsWith("--") || !(name in known)) fail(`flag provided but not defined: ${argv[at]}`);
    if (known[name] === "switch") found[name].push("true");
    else found[name].push(argv[(at += 1)] ?? fail(`flag needs an argument: ${argv[at]}`));
  }
  return found;
}

/**
 * `a=b` pairs of a repeated option.
 * @param {string[]} list
 * @returns {Record<string, string>}
 */
const pairs = (list) =>
  Object.fromEntries(list.map((each) => [each.split("=")[0], each.slice(each.indexOf("=") + 1)]));

function build(argv) {
  const { progress, frontend, local, opt, secret, output } = read(argv, {
    progress: "value",
    frontend: "value",
    local: "value",
    opt: "value",
    secret: "value",
    output: "value",
  });
  if (progress[0] === "rawjson" && !knowsJson) fail('invalid progress mode "rawjson"');
  if (frontend[0] !== "dockerfile.v0") fail(`unknown frontend ${frontend[0]}`);
  const [folders, options] = [pairs(local), pairs(opt)];
  const file =
    folders[options.dockerfilekey ?? "dockerfile"] ?? fail("failed to read dockerfile: no such local");
  const contexts = Object.entries(options).flatMap(([key, value]) => {
    if (!key.startsWith("context:")) return [];
    const folder = folders[value.replace(/^local:/, "")] ?? fail(`no local ${value}`);
    return ["--build-context", `${key.slice("context:".length)}=${folder}`];
  });
  const network = options["force-network-mode"];
  return [
    "build",
    "--builder",
    "stub",
    "--progress",
    progress[0],
    "--file",
    join(file, "Dockerfile"),
    ...contexts,
    ...(network === undefined ? [] : ["--network", network]),
    ...secret.flatMap((each) => ["--secret", each]),
    ...output.flatMap((each) => ["--output", each]),
    file,
  ];
}

function prune(argv) {
  const given = read(argv, { all: "switch", "keep-duration": "value", "keep-storage": "value" });
  return [
    "prune",
    "--builder",
    "stub",
    "--force",
    ...given.all.map(() => "--all"),
    ...given["keep-duration"].flatMap((age) => ["--filter", `until=${age}`]),
    ...given["keep-storage"].flatMap((size) => ["--keep-storage", `${Number(size)}MB`]),
  ];
}

function run(args, stdout, stderr) {
  return new Promise((resolve) => {
    running = spawn(BUILDX, args, {
      env: { ...process.env, BUILDX_CONFIG: config, BUILDX_NO_DEFAULT_ATTESTATIONS: "1" },
      stdio: ["ignore", stdout, "pipe"],
    });
    running.stderr.setEncoding("utf8").on("data", stderr);
    running.on("close", (code) => resolve(code ?? 1));
  });
}

/** Debian's client spreads each object over many lines; the real one writes it in one. */
function asOneLine() {
  let rest = "";
  return (text) => {
    rest += text;
    for (let end = rest.indexOf("\n}\n"); end >= 0; end = rest.indexOf("\n}\n")) {
      const start = rest.startsWith("{") ? 0 : rest.indexOf("\n{") + 1;
      process.stderr.write(rest.slice(0, start));
      process.stderr.write(`${JSON.stringify(JSON.parse(rest.slice(start, end + 2)))}\n`);
      rest = rest.slice(end + 3);
    }
    if (!rest.startsWith("{") && !rest.includes("\n{")) {
      process.stderr.write(rest);
      rest = "";
    }
  };
}

const argv = process.argv.slice(2);
if (argv[0] === "--version") {
  process.stdout.write(`buildctl github.com/moby/buildkit v${version} 0000000\n`);
  process.exit(0);
}
if (argv[0] !== "--addr") fail("flag provided but not defined");
const [, address, verb, ...rest] = argv;
if (!/^(?:unix|tcp):\/\//.test(address)) fail(`failed to find connection helper for ${address}`);
if (verb !== "build" && verb !== "prune") fail(`no help topic for '${verb}'`);
const args = verb === "build" ? build(rest) : prune(rest);
const made = await run(
  ["create", "--name", "stub", "--driver", "remote", address],
  "ignore",
  () => undefined,
);
if (made !== 0 || ended) fail(ended ? "context canceled" : "listing workers: no such builder");
const lines = rest.includes("rawjson") ? asOneLine() : (text) => process.stderr.write(text);
process.exit((await run(args, "inherit", lines)) === 0 ? 0 : 1);
