import type { DriverModule, PathFacts } from "../drivers/driver.ts";
import type { Json, JsonObject } from "../model/json.ts";
import type { RuntimeKind } from "../model/names.ts";
import type { Host, SecretRef, Settings } from "../model/settings.ts";
import { namesFor } from "../model/secret-use.ts";
import type { Spec } from "../model/spec.ts";
import type { NetworkPlacement } from "./networks.ts";

/**
 * An agent's settings as the spec of its runtime: only what shapes the runtime, in canonical form.
 * Nothing here depends on the agent's or session's name, so settings that are alike give one spec.
 */
export function normaliseSpec(
  kind: RuntimeKind,
  settings: Settings,
  module: DriverModule,
  host: Host | undefined,
  facts: PathFacts,
  placement?: NetworkPlacement,
): Spec {
  const values: Record<string, Json> = {
    workspace: workspace(settings, module, host, facts),
    env: { ...settings.env },
    secrets: Object.fromEntries(
      Object.entries(settings.secrets).map(([name, ref]) => [name, referenceOf(ref)]),
    ),
    setup: [...settings.setup],
    [settings.backend]: placed(section(settings, module, facts), placement),
  };
  // Younger than the hash: what writes directly says nothing, as it always did.
  if (settings.writes === "staged") values["writes"] = settings.writes;
  if (settings.ready !== undefined) {
    values["ready"] = { ...settings.ready, command: [...settings.ready.command] };
  }
  return { kind, backend: settings.backend, values };
}

/** Which secrets the main program gets shapes the runtime: it waits for them before it begins. */
function section(settings: Settings, module: DriverModule, facts: PathFacts): JsonObject {
  const values = module.normalise(settings.options, facts);
  const names = namesFor(settings.secrets, "command");
  return names.length === 0 ? values : { ...values, command_secrets: names };
}

function placed(values: JsonObject, placement: NetworkPlacement | undefined): JsonObject {
  if (placement === undefined) return values;
  const { network, gated } = placement;
  return { ...values, network, ...(gated ? { egress: "gate" } : {}) };
}

/** Without access the source shapes nothing, so moving a checkout must not recreate such a runtime. */
function workspace(
  settings: Settings,
  module: DriverModule,
  host: Host | undefined,
  facts: PathFacts,
): JsonObject {
  const { access, source, target, ignore = "off" } = settings.workspace;
  const provider = module.provider(settings, host);
  if (access === "none") return { access, target, provider };
  const copied = provider === "volume" && ignore !== "off" ? { ignore } : {};
  return { access, target, provider, source: facts.realPath(source), ...copied };
}

/** Who gets a secret is policy, but for the main program, which has a field of its own. */
function referenceOf(ref: SecretRef): JsonObject {
  if ("command" in ref) return { command: [...ref.command] };
  return "file" in ref ? { file: ref.file } : { env: ref.env };
}
