import { resolve } from "node:path";
import { renderVerification } from "../../../render/bundles.ts";
import { verifyBundle } from "../../../runs/verify-bundle.ts";
import { EXIT, usageError } from "../../exit-codes.ts";
import type { Invocation } from "../../invocation.ts";
import { switchOption } from "../../options.ts";
import { answer } from "../../print.ts";

export async function run(invocation: Invocation): Promise<number> {
  const [path] = invocation.args;
  if (path === undefined)
    throw usageError("which bundle is meant is not said", "Name its folder or its .tar.");
  const verification = await verifyBundle(resolve(invocation.cwd, path), switchOption(invocation, "strict"));
  await answer(invocation, verification, (style) => renderVerification(verification, style));
  return verification.ok ? EXIT.ok : EXIT.failed;
}
