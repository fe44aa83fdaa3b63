import { usageError } from "../../exit-codes.ts";
import type { Invocation } from "../../invocation.ts";

/** A sandbox of its own that is kept, and a terminal in it; without a terminal it runs the command alone. */
export async function run(invocation: Invocation): Promise<number> {
  const { args, options, streams } = invocation;
  const own = { ...invocation, options: { source: "dev", ...options, ephemeral: true, keep: true } };
  if (streams.stdin.isTTY === true) return await (await import("../shell.ts")).run(own);
  if (args.length > 0) return await (await import("../run.ts")).run(own);
  throw usageError(
    "runs dev opens a shell, which needs a terminal on stdin",
    "Give a command where there is none: `sandkeep runs dev -- CMD…`.",
  );
}
