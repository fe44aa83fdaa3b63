import { diagnose } from "../document.ts";
import type { Diagnostic } from "../../model/diagnostic.ts";
import type { ParsedConfig } from "../parse.ts";
import { isTable, valueAt } from "../table.ts";
import type { Product } from "./report.ts";

interface Mark {
  readonly product: Product;
  /** For people: what was looked for. */
  readonly mark: string;
  readonly has: (parsed: ParsedConfig) => boolean;
}

const hasTable =
  (...path: readonly string[]) =>
  ({ value }: ParsedConfig): boolean =>
    isTable(valueAt(value, path));

const isFluffbuzz = (parsed: ParsedConfig): boolean =>
  [
    ["agents", "defaults"],
    ["agents", "entries"],
    ["tools", "sandbox"],
    ["tools", "elevated"],
    ["plugins", "entries"],
  ].some((path) => hasTable(...path)(parsed)) || Array.isArray(valueAt(parsed.value, ["agents", "list"]));

const namesOpenclaw = ({ document }: ParsedConfig): boolean => /openclaw/i.test(document.text);

/** First match wins. */
const MARKS: readonly Mark[] = [
  {
    product: "openclaw",
    mark: "openclaw: the keys of fluffbuzz, and the word openclaw",
    has: (parsed) => isFluffbuzz(parsed) && namesOpenclaw(parsed),
  },
  {
    product: "fluffbuzz",
    mark: "fluffbuzz: agents.defaults, agents.list, agents.entries, tools.sandbox, tools.elevated or plugins.entries",
    has: isFluffbuzz,
  },
  {
    product: "bmo",
    mark: "bmo: options.sandbox or options.sandbox_mode",
    has: (parsed) =>
      hasTable("options", "sandbox")(parsed) ||
      valueAt(parsed.value, ["options", "sandbox_mode"]) !== undefined,
  },
  { product: "bmux", mark: "bmux: sandbox.cleanup", has: hasTable("sandbox", "cleanup") },
];

/** Which tool a file belongs to, by its keys; a problem when they say nothing, or two things. */
export function detectProduct(parsed: ParsedConfig): Product | Diagnostic {
  const found = MARKS.filter(({ has }) => has(parsed)).map(({ product }) => product);
  const products = found.filter((product) => product !== "fluffbuzz" || !found.includes("openclaw"));
  const [product, ...others] = products;
  if (product !== undefined && others.length === 0) return product;
  const looked = `looked for ${MARKS.map(({ mark }) => mark).join("; ")}`;
  return diagnose(
    { document: parsed.document, offset: 0 },
    {
      code: "unknown-product",
      message:
        product === undefined
          ? `cannot tell which tool this file belongs to: ${looked}`
          : `this file could belong to ${products.join(" and ")}: ${looked}`,
      hint: "name the tool with --from",
    },
  );
}
