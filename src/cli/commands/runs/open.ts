import { spawn } from "node:child_process";
import { once } from "node:events";
import { escapeText } from "../../../render/escape.ts";
import { pathsOf } from "../../../runs/inspect-run.ts";
import { SandkeepError } from "../../../errors.ts";
import { EXIT } from "../../exit-codes.ts";
import type { Invocation } from "../../invocation.ts";
import { switchOption } from "../../options.ts";
import { answer, answerInvalid } from "../../print.ts";
import { selectedRun } from "../../run-selection.ts";
import { streamsOption } from "./tail.ts";

export async function run(invocation: Invocation): Promise<number> {
  const [stream, other] = streamsOption(invocation);
  const selection = await selectedRun(invocation);
  if (selection.status === "invalid") return await answerInvalid(invocation, selection.diagnostics);
  const paths = await pathsOf(selection.run);
  const chosen = stream === undefined || other !== undefined ? paths.latest_log : paths[stream];
  if (switchOption(invocation, "pager")) return await page(invocation, chosen);
  await answer(invocation, paths, () => `${escapeText(chosen ?? paths.folder)}\n`);
  return EXIT.ok;
}

/** A pager shows control characters as text, unless it is told otherwise. */
async function page({ env }: Invocation, path: string | null): Promise<number> {
  if (path === null) {
    throw new SandkeepError("this run has no log yet", {
      code: "NO_LOG",
      hint: "`sandkeep runs tail -f` waits for one",
    });
  }
  const [program = "less", ...args] = (env["PAGER"] || "less").split(" ").filter(Boolean);
  const child = spawn(program, [...args, path], { stdio: "inherit", env: { ...env } });
  const [code] = await Promise.race([
    once(child, "close"),
    once(child, "error").then(([error]: unknown[]) => {
      throw new SandkeepError(`the pager ${program} cannot be started`, {
        code: "NO_PAGER",
        hint: "name one in PAGER",
        cause: error,
      });
    }),
  ]);
  return typeof code === "number" ? code : EXIT.failed;
}
