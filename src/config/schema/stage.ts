import * as z from "zod";
import { about, textOf } from "./text.ts";
import { sizeOrUnlimitedSchema } from "./units.ts";

/** Neither absolute nor upwards: a pattern is about paths below the workspace. */
const pattern = textOf(
  /^(?!\/|\.\.?(?:\/|$))(?!.*\/\.\.(?:\/|$))[^\0]{1,500}$/s,
  'a path or glob below the workspace, such as "docs/**" or "**/*.pem"',
);

/** `[stage]`. */
export const stageSchema = z.strictObject({
  auto_apply: z
    .array(pattern)
    .optional()
    .apply(
      about,
      "Paths and globs below the workspace whose changes are applied after each run without asking.",
    ),
  deny: z
    .array(pattern)
    .optional()
    .apply(
      about,
      "Paths and globs below the workspace that are never applied; an apply that has one is refused. By default what makes git run something: config, hooks, info, commondir and worktrees of every .git folder.",
    ),
  max_bytes: sizeOrUnlimitedSchema
    .optional()
    .apply(
      about,
      'The most that the files of one apply may hold, such as "64MiB", or "unlimited"; by default "1GiB".',
    ),
  git_ignored: z
    .enum(["include", "exclude"])
    .optional()
    .apply(about, "Whether changes of paths that git ignores are shown and applied, or stay in the stage."),
});
