// Which cases of the matrix a run takes: all, so many of them, one shard, or what fits into CI's time.

export type Selection =
  | { readonly kind: "all" }
  | { readonly kind: "count"; readonly count: number }
  /** `index` from 1 to `of`. */
  | { readonly kind: "shard"; readonly index: number; readonly of: number }
  /** In the order of the seed, from 1: where an interrupted run goes on. */
  | { readonly kind: "range"; readonly from: number; readonly to: number }
  | { readonly kind: "slice" };

/** `all`, a number, `i/n`, `from-to` or `from-`; absent or empty means the slice. */
export function selectionOf(text = ""): Selection {
  if (text === "") return { kind: "slice" };
  if (text === "all") return { kind: "all" };
  const [index = Number.NaN, of] = text.split("/").map(Number);
  if (/^\d+$/.test(text)) return { kind: "count", count: index };
  if (/^\d+\/\d+$/.test(text) && of !== undefined && index >= 1 && index <= of)
    return { kind: "shard", index, of };
  const [, first, last] = /^(\d+)-(\d*)$/.exec(text) ?? [];
  if (first !== undefined)
    return { kind: "range", from: Number(first), to: last ? Number(last) : Number.MAX_SAFE_INTEGER };
  throw new Error(
    `SANDKEEP_CRASH is "${text}", which is neither all, a number, a shard such as 2/4, nor a range such as 100-`,
  );
}

/** In an order that the seed decides, so that a shard or a slice is a sample of everything. */
export function selected<T>(values: readonly T[], selection: Selection, seed: number): T[] {
  const order = shuffled(values, seed);
  if (selection.kind === "count") return order.slice(0, selection.count);
  if (selection.kind === "range") return order.slice(selection.from - 1, selection.to);
  if (selection.kind !== "shard") return order;
  return order.filter((_, position) => position % selection.of === selection.index - 1);
}

/** A small generator of our own, so that a seed gives the same order everywhere. */
function shuffled<T>(values: readonly T[], seed: number): T[] {
  let state = seed;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  return values
    .map((value) => ({ value, order: next() }))
    .toSorted((a, b) => a.order - b.order)
    .map(({ value }) => value);
}
