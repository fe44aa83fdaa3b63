/** Agent and session names. */
export const NAME_PATTERN = /^[A-Za-z0-9._-]{1,64}$/;

/** Name under which this machine itself appears wherever a host is shown. */
export const THIS_HOST = "local";

/** The session that `mode = "non-main"` leaves on the host. */
export const MAIN_SESSION = "main";

/** `agent:<agent>:<session>`. Names hold no colon, so the parts can always be told apart. */
export type SessionKey = `agent:${string}:${string}`;

/**
 * A runtime's stable logical name: `shared`, `agent/work`, `session/agent:work:pr-12`, `browser/agent/work`, and
 * `ephemeral/<run id>` of one that was made for a single run.
 */
export type Address =
  "shared" | `agent/${string}` | `session/${SessionKey}` | `browser/${string}` | `ephemeral/${string}`;

export type RuntimeKind = "sandbox" | "browser";

/** Everything but `primary` carries an expiry and is removed after it. */
export type RuntimeRole = "primary" | "ephemeral" | "canary" | "sidecar";

/** Where a runtime stands in its replacement: the canonical name proves a finished runtime. */
export type Slot = "canonical" | "new" | "old";

/** Engine-name suffix of a slot; the canonical name ends in a hash, so no canonical name ends in one of these. */
export const SLOT_SUFFIX = { canonical: "", new: ".new", old: ".old" } as const satisfies Record<
  Slot,
  string
>;

export function sessionKey(agent: string, session: string): SessionKey {
  return `agent:${agent}:${session}`;
}

/** The parts of a session key, or undefined when the text is not one. */
export function parseSessionKey(text: string): { agent: string; session: string } | undefined {
  const [tag, agent, session, ...rest] = text.split(":");
  if (tag !== "agent" || agent === undefined || session === undefined || rest.length > 0) return undefined;
  return NAME_PATTERN.test(agent) && NAME_PATTERN.test(session) ? { agent, session } : undefined;
}

/** What an address stands for. */
export type AddressParts =
  | { readonly scope: "shared"; readonly kind: RuntimeKind }
  | { readonly scope: "agent"; readonly kind: RuntimeKind; readonly agent: string }
  | {
      readonly scope: "session";
      readonly kind: RuntimeKind;
      readonly agent: string;
      readonly session: string;
    }
  | { readonly scope: "ephemeral"; readonly kind: "sandbox"; readonly run_id: string };

export function ephemeralAddress(runId: string): Address {
  return `ephemeral/${runId}`;
}

/** Undefined when the text is not an address. */
export function parseAddress(text: string): AddressParts | undefined {
  if (text.startsWith("ephemeral/")) {
    const run_id = text.slice("ephemeral/".length);
    return NAME_PATTERN.test(run_id) ? { scope: "ephemeral", kind: "sandbox", run_id } : undefined;
  }
  const browser = text.startsWith("browser/");
  const kind = browser ? "browser" : "sandbox";
  const rest = browser ? text.slice("browser/".length) : text;
  if (rest === "shared") return { scope: "shared", kind };
  if (rest.startsWith("agent/")) {
    const agent = rest.slice("agent/".length);
    return NAME_PATTERN.test(agent) ? { scope: "agent", kind, agent } : undefined;
  }
  if (!rest.startsWith("session/")) return undefined;
  const key = parseSessionKey(rest.slice("session/".length));
  return key === undefined ? undefined : { scope: "session", kind, ...key };
}

/** The agent that an address belongs to; undefined for what serves several, or nobody's. */
export function agentOfAddress(text: string): string | undefined {
  const parts = parseAddress(text);
  return parts !== undefined && "agent" in parts ? parts.agent : undefined;
}

export function isAddress(text: string): text is Address {
  return parseAddress(text) !== undefined;
}

/** Every name that a runtime with this canonical name needs at some time of its life. */
export function slotNames(canonical: string): string[] {
  return Object.values(SLOT_SUFFIX).map((suffix) => canonical + suffix);
}

/** The slot a name is in, given a runtime's canonical name; undefined when it is another's. */
export function slotOf(name: string, canonical: string): Slot | undefined {
  if (name === canonical) return "canonical";
  if (name === canonical + SLOT_SUFFIX.new) return "new";
  return name === canonical + SLOT_SUFFIX.old ? "old" : undefined;
}
