import * as z from "zod";
import { nonEmptyText, sandboxPath } from "./text.ts";

const BIND_EXPECTED = 'expected "source:target", "source:target:ro" or "source:target:rw"';

const bindSchema = z.codec(
  z.string(),
  z.object({ source: z.string(), target: z.string(), mode: z.enum(["ro", "rw"]) }),
  {
    decode: (text, context) => {
      const parsed = parseBind(text);
      if (typeof parsed !== "string") return parsed;
      context.issues.push({ code: "custom", input: text, message: parsed });
      return z.NEVER;
    },
    encode: ({ source, target, mode }) => `${source}:${target}:${mode}`,
  },
);

export const bindsSchema = z.array(bindSchema);

/** What binds may hand out. */
export const allowedRoots = z
  .array(nonEmptyText)
  .optional()
  .describe("Folders that bind sources must lie in, besides the workspace.");

/** A bind, or what was expected instead. Without a mode a bind is writable, as with Docker. */
function parseBind(text: string): { source: string; target: string; mode: "ro" | "rw" } | string {
  const [source = "", target = "", mode = "rw", ...rest] = text.split(":", 5);
  if (rest.length > 0 || source === "" || target === "") return BIND_EXPECTED;
  if (mode !== "ro" && mode !== "rw") return BIND_EXPECTED;
  if (!/^(?:[/.]|~(?:\/|$))/.test(source)) {
    return 'expected a source path that starts with "/", "." or "~/"; named volumes are not binds';
  }
  if (/\p{Cc}/u.test(source)) return "expected a source path without control characters";
  if (!sandboxPath.safeParse(target).success) {
    return "expected a target that is an absolute path inside the sandbox other than /";
  }
  return { source, target: target.replace(/\/$/, ""), mode };
}
