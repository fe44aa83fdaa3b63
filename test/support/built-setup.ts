import { existsSync } from "node:fs";
import { join } from "node:path";

/** Global setup of the e2e project: its tests drive the built CLI, so say at once when there is none. */
export function setup(): void {
  const main = join(import.meta.dirname, "../../dist/src/cli/main.cjs");
  if (!existsSync(main)) throw new Error(`${main} is missing: run "npm run build" before the e2e tests`);
}
