import { cp } from "node:fs/promises";
import { join } from "node:path";

const BUILT = join(import.meta.dirname, "../../dist/src/cli");

/** Copies what the built CLI starts and loads, without what was compiled of it. */
export async function copyProgram(to: string): Promise<void> {
  for (const name of ["main.cjs", "program.cjs", "program"]) {
    await cp(join(BUILT, name), join(to, name), {
      recursive: true,
      filter: (path) => !path.endsWith(".cache"),
    });
  }
}
