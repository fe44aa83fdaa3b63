#!/usr/bin/env node
/**
 * The start of the program: a command line in, an exit code out. It answers `--version` itself; everything else is in one
 * file beside this one, bundled from command-line.ts, and loaded as V8 compiled it the last time.
 */
import { join } from "node:path";
import { compileProgram } from "./code-cache.ts";
import { startShort } from "./start-flags.ts";
import { toolVersion } from "./version.ts";

async function carryOut(): Promise<number> {
  const [, , first] = process.argv;
  if (first === "--version" || first === "-V") {
    process.stdout.write(`${toolVersion()}\n`);
    return 0;
  }
  const short = startShort();
  const program = compileProgram(join(import.meta.dirname, "program.cjs"), process);
  const { code, done } = await program.load().start();
  // What is compiled under other flags is not taken by the next start.
  short();
  if (done !== "") program.keep(done);
  return code;
}

// Explicit exit, because an open stdin or a keep-alive socket would keep a finished command waiting.
void carryOut().then((code) => process.exit(code));
