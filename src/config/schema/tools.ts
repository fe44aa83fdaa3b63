import * as z from "zod";
import { about, nonEmptyText, textOf } from "./text.ts";

const toolList = z.array(nonEmptyText);

const groupName = textOf(/^[A-Za-z0-9._:-]{1,64}$/, "a name of 1 to 64 letters, digits or . _ : -");

const toolPolicySchema = z.strictObject({
  allow: toolList
    .optional()
    .apply(about, "Tools that may be used; names, globs and groups. Without it, all."),
  deny: toolList.optional().apply(about, "Tools that may not be used. Deny wins over allow."),
  also_allow: toolList.optional().apply(about, "Tools added to the allowed ones."),
});

const elevatedSchema = z.strictObject({
  enabled: z.boolean().optional().apply(about, "Whether commands may ask to run outside the sandbox."),
  allow_from: z
    .record(groupName, z.array(nonEmptyText))
    .optional()
    .apply(about, 'Who may ask, by channel: { chat = ["alice"] }.'),
});

/** `[agents.NAME.tools]`. */
export const toolsSchema = z.strictObject({
  sandbox: toolPolicySchema.optional().apply(about, "Which tools sandboxed sessions may use."),
  elevated: elevatedSchema.optional().apply(about, "Running outside the sandbox."),
});
export type ToolsSettings = z.infer<typeof toolsSchema>;

/** `[tools]`: the defaults of every agent, and the groups that lists may name. */
export const rootToolsSchema = toolsSchema.extend({
  groups: z
    .record(groupName, toolList)
    .optional()
    .apply(about, "Names for lists of tools, usable in every list."),
});
export type RootToolsSettings = z.infer<typeof rootToolsSchema>;
