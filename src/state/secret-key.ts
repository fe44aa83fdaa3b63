import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import { createdText } from "./created-file.ts";
import type { ProblemSink } from "./files.ts";
import { readText } from "./files.ts";

/** Key of the HMACs that stand for secrets in labels, for configs that give none. */
export interface StateKey {
  /** Says which key made a fingerprint without saying anything about the key: 12 hex characters. */
  readonly id: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

export const HEX = /^[0-9a-f]{64}$/;

/** Created at the first use with mode 0600, one winner under races. */
export async function stateKey(base: string, onProblem?: ProblemSink): Promise<StateKey> {
  const text = await createdText(
    join(base, "secret-key"),
    () => `${randomBytes(32).toString("hex")}\n`,
    (found) => HEX.test(found.trim()),
    onProblem,
  );
  return keyOf(text.trim());
}

/** Undefined when this state directory has none yet; creates nothing. */
export async function readStateKey(base: string): Promise<StateKey | undefined> {
  const text = (await readText(join(base, "secret-key")))?.trim();
  return text !== undefined && HEX.test(text) ? keyOf(text) : undefined;
}

function keyOf(hex: string): StateKey {
  const key = Buffer.from(hex, "hex");
  const id = createHash("sha256").update("sandkeep key id\0").update(key).digest("hex").slice(0, 12);
  return { id, key: new Uint8Array(key) };
}
