import { randomBytes } from "node:crypto";
import { realpath, writeFile } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { showPath as nearPath } from "../../config/discover.ts";
import { diagnose } from "../../config/document.ts";
import { importConfig, productNamed } from "../../config/import/index.ts";
import { loadText } from "../../config/import/load-text.ts";
import { type Imported, PRODUCTS, type Product } from "../../config/import/report.ts";
import { formatOf } from "../../config/parse.ts";
import { configSchema } from "../../config/schema/root.ts";
import { readConfigText } from "../../config/read.ts";
import { BACKENDS, builtInDrivers } from "../../drivers/registry.ts";
import { SandkeepError, toError } from "../../errors.ts";
import { enginesOf } from "../../observe/engines.ts";
import { type Invalid, type LoadedFleet, loadFleet } from "../../policy/fleet.ts";
import { count } from "../../render/layout.ts";
import { showPath } from "../../render/style.ts";
import { stateDirectory } from "../../state/directory.ts";
import { EXIT, usageError } from "../exit-codes.ts";
import type { Invocation } from "../invocation.ts";
import { switchOption, textOption } from "../options.ts";
import { answer, answerInvalid, tell, write } from "../print.ts";
import { fleetNameOf } from "./init.ts";

export async function run(invocation: Invocation): Promise<number> {
  const { args, cwd, globals } = invocation;
  const source = resolve(cwd, args[0] ?? "");
  const name = nearPath(source, cwd);
  const out = outFile(invocation, source);
  const from = chosenProduct(invocation);
  const file = out ?? resolve(cwd, "sandkeep.toml");
  const fleet = globals.fleet ?? fleetNameOf(dirname(file));
  const named = configSchema.shape.fleet.safeParse(fleet);
  if (!named.success)
    throw usageError(`${JSON.stringify(fleet)} cannot be a fleet name`, named.error.issues[0]?.message);
  const read = readConfigText(source, name);
  if (!read.ok)
    return await answerInvalid(invocation, ["fault" in read ? diagnose(name, read.fault) : read.diagnostic]);
  const load = loadIn(invocation, file);
  const outcome = await importConfig({
    name: basename(name),
    text: read.text,
    ...(from === undefined ? {} : { from }),
    fleet,
    fleetId: randomBytes(4).toString("hex"),
    check: async (text) => (await load(text)).diagnostics,
  });
  if (!outcome.ok) return await answerInvalid(invocation, outcome.diagnostics);
  if (out !== undefined) await save(out, source, outcome.text, switchOption(invocation, "force"));
  await report(invocation, outcome, { out, asked: asksEngines(await load(outcome.text)) });
  return EXIT.ok;
}

function chosenProduct(invocation: Invocation): Product | undefined {
  const name = textOption(invocation, "from");
  if (name === undefined) return undefined;
  const { product, near } = productNamed(name);
  if (product !== undefined) return product;
  throw usageError(
    `sandkeep cannot import from ${JSON.stringify(name)}`,
    near === undefined ? `Expected ${PRODUCTS.join(", ")}.` : `Did you mean ${near}?`,
  );
}

function outFile(invocation: Invocation, source: string): string | undefined {
  const name = textOption(invocation, "out");
  if (name === undefined) return undefined;
  const out = resolve(invocation.cwd, name);
  if (out === source) throw usageError("--out names the file that is imported", "Name another file.");
  if (formatOf(out) === "toml") return out;
  throw usageError(
    `--out is ${JSON.stringify(name)}`,
    "What is written is TOML: name a file that ends in .toml.",
  );
}

/** What this sandkeep makes of a text that would stand in `file`, with everything `validate` would say. */
function loadIn({ cwd, env, globals }: Invocation, file: string) {
  const stateDir = stateDirectory(env, globals.stateDir);
  return async (text: string): Promise<LoadedFleet | Invalid> => {
    const result = await loadText(file, text, BACKENDS);
    if (!result.ok) return { status: "invalid", diagnostics: result.diagnostics };
    return await loadFleet({ cwd, env, drivers: builtInDrivers, stateDir }, result.loaded);
  };
}

/** Whether `list` asks an engine of containers, which tells those of other tools: it asks none without a sandbox of the fleet. */
function asksEngines(written: LoadedFleet | Invalid): boolean {
  if (written.status === "invalid") return false;
  const { fleet, modules } = written;
  return enginesOf(fleet, []).some(({ backend }) => modules[backend]?.capabilities.lifecycle === "process");
}

async function save(out: string, source: string, text: string, force: boolean): Promise<void> {
  const real = await realpath(out).catch(() => out);
  if (real === (await realpath(source)))
    throw usageError("--out leads to the file that is imported", "Name another file.");
  try {
    if (!force) return await writeFile(out, text, { flag: "wx" });
    const { default: writeFileAtomic } = await import("write-file-atomic");
    await writeFileAtomic(real, text);
  } catch (thrown) {
    const error = toError(thrown);
    const exists = "code" in error && error.code === "EEXIST";
    throw new SandkeepError(exists ? `${out} exists already` : `cannot write ${out}: ${error.message}`, {
      code: exists ? "CONFIG_EXISTS" : "CONFIG_NOT_WRITTEN",
      hint: exists ? "Name another file, or overwrite it with --force." : "Check the folder and its owner.",
      cause: error,
      ...(exists ? { exitCode: EXIT.blocked } : {}),
    });
  }
}

async function report(
  invocation: Invocation,
  imported: Imported,
  { out, asked }: { readonly out: string | undefined; readonly asked: boolean },
): Promise<void> {
  const { ok: _, ...document } = imported;
  const { product, mapped, changed, unmapped } = imported;
  const summary =
    `${product}: ${count(mapped.length, "key")} mapped, ${String(changed.length)} changed in meaning, ` +
    `${String(unmapped.length)} without an equal; the comments say which and why.\n` +
    (asked ? "`sandkeep list --all` shows the containers it left on an engine.\n" : "");
  if (out !== undefined) {
    return await answer(
      invocation,
      { ...document, file: out },
      (style) => `Wrote ${showPath(style, out)}.\n${summary}`,
    );
  }
  if (invocation.globals.json) return await answer(invocation, document, () => "");
  await write(invocation.streams.stdout, imported.text);
  if (!invocation.globals.quiet) await tell(invocation, () => summary);
}
