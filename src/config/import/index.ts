/**
 * In: the text of another tool's config, and how to tell what sandkeep thinks of a config.
 * Out: a commented sandkeep.toml that sandkeep accepts and what became of every key, or every problem at once.
 * It reads and writes no file, copies no credential, and drops no key without saying so.
 */
import { nearestWord } from "../../util/suggestion.ts";
import type { Diagnostic } from "../../model/diagnostic.ts";
import { sortDiagnostics } from "../document.ts";
import type { ParsedConfig } from "../parse.ts";
import { importBmo } from "./bmo.ts";
import { importBmux } from "./bmux.ts";
import { type Draft, startDraft } from "./draft.ts";
import { importFluffbuzz } from "./fluffbuzz.ts";
import type { Flavour } from "./fluffbuzz-defaults.ts";
import { outcomeOf } from "./outcome.ts";
import { detectProduct } from "./product.ts";
import { type CheckConfig, refuse } from "./refuse.ts";
import { type ImportFailed, type Imported, PRODUCTS, type Product } from "./report.ts";
import { parseSource } from "./source.ts";
import { writeDraft } from "./write.ts";

export interface ImportRequest {
  /** The source file as shown to people. */
  readonly name: string;
  readonly text: string;
  /** Which tool it belongs to, when its keys are not to decide. */
  readonly from?: Product;
  readonly fleet: string;
  readonly fleetId: string;
  readonly check: CheckConfig;
}

interface Importer {
  readonly title: string;
  readonly fill: (parsed: ParsedConfig, draft: Draft, diagnostics: Diagnostic[]) => void;
}

const FLUFFBUZZ: Flavour = {
  title: "FluffBuzz",
  image: "fluffbuzz-sandbox:bookworm-slim",
  workspace: "~/.fluffbuzz/workspace",
  root: "/tmp/fluffbuzz-sandboxes",
};
const OPENCLAW: Flavour = {
  title: "OpenClaw",
  image: "openclaw-sandbox:bookworm-slim",
  workspace: "~/.openclaw/workspace",
  root: "/tmp/openclaw-sandboxes",
};

const IMPORTERS: Readonly<Record<Product, Importer>> = {
  fluffbuzz: agentTool(FLUFFBUZZ),
  openclaw: agentTool(OPENCLAW),
  bmo: { title: "BMO", fill: importBmo },
  bmux: { title: "bmux", fill: importBmux },
};

function agentTool(flavour: Flavour): Importer {
  return {
    title: flavour.title,
    fill: (parsed, draft, found) => importFluffbuzz(parsed, draft, found, flavour),
  };
}

/** The product a person named, or the one they most likely meant. */
export function productNamed(name: string): { readonly product?: Product; readonly near?: string } {
  const product = PRODUCTS.find((each) => each === name.toLowerCase());
  if (product !== undefined) return { product };
  const near = nearestWord(name, PRODUCTS);
  return near === undefined ? {} : { near };
}

export async function importConfig(request: ImportRequest): Promise<Imported | ImportFailed> {
  const { name, text, from, fleet, fleetId, check } = request;
  const { parsed, diagnostics } = await parseSource(name, text);
  if (parsed === undefined || diagnostics.some(({ severity }) => severity === "error"))
    return failed(diagnostics);
  const product = from ?? detectProduct(parsed);
  if (typeof product !== "string") return failed([{ ...product, file: name }]);
  const draft = startDraft(product);
  const faults: Diagnostic[] = [];
  const { title, fill } = IMPORTERS[product];
  fill(parsed, draft, faults);
  if (faults.length > 0) return failed(faults.map((fault) => ({ ...fault, file: name })));
  const heading = { fleet, fleetId, title, name };
  const { written, left } = await refuse(draft, (each) => writeDraft(each, heading), check);
  if (left.length > 0) return failed(left);
  return { ok: true, product, ...outcomeOf(draft), text: written.text };
}

function failed(diagnostics: readonly Diagnostic[]): ImportFailed {
  return { ok: false, diagnostics: sortDiagnostics(diagnostics) };
}
