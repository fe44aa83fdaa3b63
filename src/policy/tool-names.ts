/** The tools an agent may know, as data: what a sandboxed session gets when nobody says otherwise. */

/** Tools that act inside the sandbox or only talk to sandkeep's caller about sessions. */
export const DEFAULT_ALLOW: readonly string[] = [
  "exec",
  "process",
  "read",
  "ls",
  "write",
  "edit",
  "apply_patch",
  "view_image",
  "sessions_list",
  "sessions_history",
  "sessions_search",
  "sessions_send",
  "sessions_spawn",
  "sessions_yield",
  "session_status",
  "subagents",
];

/** Tools that act outside the sandbox, on the host or on other people. */
export const DEFAULT_DENY: readonly string[] = [
  "browser",
  "canvas",
  "computer",
  "mobile_ui",
  "nodes",
  "automations",
  "gateway",
  "group:channels",
];

/** Named sets, written `group:NAME`. `[tools.groups]` adds to them, and replaces one of the same name. */
export const BUILT_IN_GROUPS: Readonly<Record<string, readonly string[]>> = {
  fs: ["read", "ls", "write", "edit", "apply_patch", "view_image"],
  runtime: ["exec", "process"],
  sessions: [
    "sessions_list",
    "sessions_history",
    "sessions_search",
    "sessions_send",
    "sessions_spawn",
    "sessions_yield",
    "session_status",
    "subagents",
  ],
  web: ["web_search", "web_fetch"],
  memory: ["memory_search", "memory_get"],
  ui: ["browser", "canvas", "computer", "mobile_ui"],
  automation: ["automations", "gateway"],
  nodes: ["nodes"],
  channels: [
    "discord",
    "email",
    "googlechat",
    "imessage",
    "irc",
    "line",
    "matrix",
    "mattermost",
    "msteams",
    "nostr",
    "signal",
    "slack",
    "sms",
    "telegram",
    "webchat",
    "whatsapp",
  ],
};

/** Other spellings people write. */
export const TOOL_ALIASES: Readonly<Record<string, string>> = {
  bash: "exec",
  shell: "exec",
  "apply-patch": "apply_patch",
  cron: "automations",
};
