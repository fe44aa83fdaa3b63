import { assertNever } from "../errors.ts";
import type { Address } from "../model/names.ts";
import { MAIN_SESSION, sessionKey } from "../model/names.ts";
import type { Settings } from "../model/settings.ts";

/** Where a session's commands run, and why. */
export type Placement =
  | { readonly sandboxed: false; readonly why: string }
  | { readonly sandboxed: true; readonly address: Address; readonly why: string };

/** Mode decides whether a session is sandboxed, scope decides with whom it shares its runtime. */
export function placeSession(
  settings: Pick<Settings, "mode" | "scope">,
  agent: string,
  session: string,
): Placement {
  if (settings.mode === "off") return { sandboxed: false, why: "mode is off: commands run on the host" };
  if (settings.mode === "non-main" && session === MAIN_SESSION) {
    return { sandboxed: false, why: "mode is non-main: the main session runs on the host" };
  }
  switch (settings.scope) {
    case "shared":
      return { sandboxed: true, address: "shared", why: "scope is shared: one runtime for the fleet" };
    case "agent":
      return { sandboxed: true, address: `agent/${agent}`, why: "scope is agent: one runtime for the agent" };
    case "session":
      return {
        sandboxed: true,
        address: `session/${sessionKey(agent, session)}`,
        why: "scope is session: a runtime of its own",
      };
    default:
      return assertNever(settings.scope);
  }
}
