import { createHash } from "node:crypto";

/** Equal content, equal digest; a tag that moves gets another content. */
export function digestOf(content: string): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}
