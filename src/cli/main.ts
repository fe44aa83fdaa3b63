#!/usr/bin/env node
/**
 * The start of the program: a command line in, an exit code out. It answers `--version` itself; everything else is in
 * files beside this one, bundled from command-line.ts, and loaded as V8 compiled them the last time.
 */
import { join } from "node:path";
import { openProgram } from "./load-program.ts";
import { startShort } from "./start-flags.ts";
import { toolVersion } from "./version.ts";

/** Milliseconds. Most commands are over by then. */
const LASTING = 1_000;

async function carryOut(): Promise<number> {
  const [, , first] = process.argv;
  if (first === "--version" || first === "-V") {
    process.stdout.write(`${toolVersion()}\n`);
    return 0;
  }
  const keepUnder = startShort();
  const program = openProgram(join(import.meta.dirname, "program.cjs"), process);
  setTimeout(() => program.readAll(), LASTING).unref();
  const { code, done } = await program.load().start();
  if (done !== "") keepUnder(() => program.keep(done));
  return code;
}

// Explicit exit, because an open stdin or a keep-alive socket would keep a finished command waiting.
void carryOut().then((code) => process.exit(code));
