#!/usr/bin/env node
// The five-minute tour: drives the built CLI on a copy of this folder, with a state directory of its own. Both lie in
// one temporary folder, which goes when the tour ends, however it ends.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { styleText } from "node:util";

const EXAMPLE = import.meta.dirname;
const CLI = join(EXAMPLE, "../../dist/src/cli/main.cjs");
const coloured = process.stdout.isTTY && !process.env["NO_COLOR"];
const paint = (style, text) => (coloured ? styleText(style, text) : text);
const say = (text) => process.stdout.write(`${text}\n`);
const heading = (text) => say(`\n${paint("bold", `## ${text}`)}`);

/** Set by the first signal: the command under way ends by itself, no other is begun, and what was made is removed. */
const interrupted = new AbortController();
let child;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    if (interrupted.signal.aborted) return;
    // Ctrl-C has reached the command already, as it reaches everything in a terminal's foreground.
    if (signal !== "SIGINT") child?.kill(signal);
    interrupted.abort(signal);
  });
}

function start(place, args, stdio) {
  interrupted.signal.throwIfAborted();
  // Settings of the person's own would change the tour.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith("SANDKEEP_")),
  );
  env.SANDKEEP_STATE_DIR = place.state;
  child = spawn(process.execPath, [CLI, ...args], { cwd: place.fleet, env, stdio });
  return child;
}

/** Runs one command where everybody sees it; another exit code than `expected` ends the tour. */
async function sandkeep(place, args, expected = 0) {
  const shown = args.map((each) => (/^[\w@%+=:,./-]+$/.test(each) ? each : `'${each}'`)).join(" ");
  say(`\n${paint("cyan", `$ sandkeep ${shown}`)}`);
  const [code, signal] = await once(start(place, args, ["ignore", "inherit", "inherit"]), "close");
  interrupted.signal.throwIfAborted();
  if (code !== expected) throw new Error(`sandkeep ${shown} ended with ${signal ?? code}, not ${expected}`);
  if (code !== 0) say(paint("dim", `(exit code ${code})`));
}

/** One command's JSON answer, for the tour's own use. */
async function ask(place, args) {
  const asked = start(place, [...args, "--json"], ["ignore", "pipe", "inherit"]);
  let text = "";
  asked.stdout.setEncoding("utf8").on("data", (chunk) => (text += chunk));
  await once(asked, "close");
  interrupted.signal.throwIfAborted();
  return JSON.parse(text);
}

async function editByHand(place) {
  const { runtimes } = await ask(place, ["list"]);
  const { name } = runtimes.find((each) => each.address === "agent/main");
  const link = join(place.state, "local/quickstart", name, "workspace");
  const elsewhere = join(place.root, "elsewhere");
  await mkdir(elsewhere);
  await rm(link);
  await symlink(elsewhere, link);
  say(`\n${paint("cyan", `$ ln -sfn ${elsewhere} ${join("…", relative(place.root, link))}`)}`);

  const config = join(place.fleet, "sandkeep.toml");
  const text = await readFile(config, "utf8");
  await writeFile(config, text.replace('GREETING = "good day"', 'GREETING = "good evening"'));
  say(paint("cyan", `$ sed -i 's/good day/good evening/' sandkeep.toml`));
}

async function tour(place) {
  const greet = ["--agent", "review", "--", "sh", "-c", 'echo "$GREETING"; cat notes.txt "$HOME/setup.txt"'];

  heading("What does the config mean for agent review, and where is that said?");
  await sandkeep(place, ["explain", "--agent", "review"]);
  heading("What would be done? Then do exactly that.");
  await sandkeep(place, ["plan"]);
  await sandkeep(place, ["apply", "--yes"]);
  heading("A command inside a sandbox: its own home, a clean environment, the workspace.");
  await sandkeep(place, ["run", ...greet]);

  heading("Drift: one workspace is redirected behind sandkeep's back, and the config is edited.");
  await editByHand(place);
  await sandkeep(place, ["plan", "--detailed-exitcode"], 2);
  heading("The repair, and the proof.");
  await sandkeep(place, ["apply", "--yes"]);
  await sandkeep(place, ["plan", "--detailed-exitcode"]);

  heading("What would be removed tomorrow, unused? Remove it now instead.");
  await sandkeep(place, ["plan", "--at", "+25h"]);
  await sleep(1_100, undefined, { signal: interrupted.signal });
  await sandkeep(place, ["prune", "--idle", "1s", "--yes"]);
  await sandkeep(place, ["list", "--all"]);
  heading("Pruned sandboxes are dormant: the next use wakes them.");
  await sandkeep(place, ["run", ...greet]);
  heading("The end.");
  await sandkeep(place, ["destroy", "--all", "--yes"]);
}

const NEXT = `
Nothing of this is left on your machine. What to try next (\`npm link\` in a clone puts \`sandkeep\` on your PATH):
  sandkeep init                  a commented sandkeep.toml for a repository of your own
  examples/single-agent-docker   an agent in a container; team, per-session: more agents, more sessions
  examples/ci, build-host        plan on pull requests, apply on merge, keep it so with \`sandkeep watch\`
  examples/*/README.md           guides: containers, egress, staged writes, hosts over SSH, what was run
  sandkeep --help                every verb`;

async function main() {
  if (!existsSync(CLI)) {
    process.stderr.write(`${CLI} is missing: run \`npm run quickstart\`, which builds it first\n`);
    return 1;
  }
  const root = await realpath(await mkdtemp(join(tmpdir(), "sandkeep-")));
  const place = { root, fleet: join(root, "fleet"), state: join(root, "state") };
  try {
    await cp(EXAMPLE, place.fleet, { recursive: true, filter: (path) => path !== import.meta.filename });
    await tour(place);
    say(NEXT);
    return 0;
  } catch (error) {
    if (interrupted.signal.aborted) return interrupted.signal.reason === "SIGINT" ? 130 : 143;
    process.stderr.write(`\nquickstart: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

process.exitCode = await main();
