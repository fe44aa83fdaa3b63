import type { Config } from "../config/schema/root.ts";
import type { SandboxSettings } from "../config/schema/sandbox.ts";
import type { ResolvedAgent, Settings } from "../model/settings.ts";
import type { KeyPath, Source } from "../model/source.ts";
import { SESSIONS } from "./defaults.ts";
import { byText } from "./diagnose.ts";
import type { PathFacts } from "../util/path-facts.ts";
import type { WrittenTable } from "./provenance.ts";
import { provenanceOf } from "./provenance.ts";
import { mergeSettings } from "./settings.ts";

/** What resolve reads of a loaded config. */
export interface ConfigInput {
  /** Folder of the root config. */
  readonly root: string;
  readonly config: Config;
  locate(path: KeyPath): Source | undefined;
}

/** A resolved agent beside what its own table says. */
export interface AgentWithTable {
  readonly agent: ResolvedAgent;
  readonly own: SandboxSettings;
}

/**
 * Agents sorted by name, so that the order of a config's tables never matters. Those that say the same share one
 * Settings object, so that later stages work once per distinct value.
 */
export function resolveAgents(
  loaded: ConfigInput,
  root: string,
  facts: Pick<PathFacts, "home" | "realPath">,
): readonly AgentWithTable[] {
  const { config } = loaded;
  const locate = (path: KeyPath): Source | undefined => loaded.locate(path);
  const fleet = config.sandbox ?? {};
  const fleetTable: WrittenTable = { layer: "default", prefix: ["sandbox"], table: fleet };
  const known = new Map<string, Settings>();
  const settingsOf = (own: SandboxSettings): Settings => {
    const text = JSON.stringify(own);
    const settings = known.get(text) ?? mergeSettings(fleet, own, root, facts);
    known.set(text, settings);
    return settings;
  };
  return Object.entries(config.agents ?? {})
    .toSorted(([a], [b]) => byText(a, b))
    .map(([name, { sandbox: own = {}, sessions }]) => ({
      own,
      agent: {
        name,
        sessions: sessions === undefined ? SESSIONS : [...new Set(sessions)],
        settings: settingsOf(own),
        provenance: (path) => {
          const prefix: KeyPath = ["agents", name, "sandbox"];
          return provenanceOf(path, [{ layer: "agent", prefix, table: own }, fleetTable], locate);
        },
      },
    }));
}
