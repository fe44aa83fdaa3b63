import { isReservedKey } from "../key-tree.ts";

/** A name in letters that names may have, and that none in `taken` has. `instead` is put before one that means something else. */
export function freeName(
  text: string,
  instead: string,
  taken: Set<string>,
  reserved: readonly string[] = [],
): string {
  const fits = text
    .trim()
    .replace(/[^A-Za-z0-9._-]+/g, "-")
    .slice(0, 60)
    .replace(/(?<=.)-+$/, "");
  const base =
    isReservedKey(fits) || reserved.includes(fits) ? `${instead}-${fits.replaceAll("_", "")}` : fits;
  let name = base;
  for (let count = 2; taken.has(name); count++) name = `${base}-${String(count)}`;
  taken.add(name);
  return name;
}
