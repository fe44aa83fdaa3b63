import type { ExplainedAgent } from "../model/explain.ts";
import type { Json, JsonObject } from "../model/json.ts";
import type { ResolvedAgent, SecretRef, SecretSetting } from "../model/settings.ts";
import { formatKeyPath } from "../model/source.ts";
import { isJsonObject } from "../util/json-path.ts";

/** Every effective setting as one leaf with who said it. Lists are leaves; secrets are told as references. */
export function flattenSettings(agent: ResolvedAgent): ExplainedAgent["settings"] {
  const { settings } = agent;
  const {
    backend,
    options,
    secrets,
    host,
    ready,
    env,
    workspace,
    timeouts,
    prune,
    disruption,
    salvage,
    egress,
    ...plain
  } = settings;
  const tree: JsonObject = {
    ...plain,
    setup: [...plain.setup],
    backend,
    ...(host === undefined ? {} : { host }),
    ...(ready === undefined ? {} : { ready: { ...ready, command: [...ready.command] } }),
    ...(egress === undefined ? {} : { egress: { ...egress, allow: [...egress.allow] } }),
    env: { ...env },
    secrets: Object.fromEntries(Object.entries(secrets).map(([name, ref]) => [name, referenceText(ref)])),
    workspace: { ...workspace },
    timeouts: { ...timeouts },
    prune: { ...prune },
    disruption: { ...disruption },
    salvage: { ...salvage, include: [...salvage.include], exclude: [...salvage.exclude] },
    [backend]: options,
  };
  const leaves: ExplainedAgent["settings"] = {};
  for (const [path, value] of walk(tree, "")) {
    const { layer, key, source } = agent.provenance(path);
    leaves[path] = { value, layer, key: formatKeyPath(key), source: source ?? null };
  }
  return leaves;
}

function* walk(value: Json, path: string): Generator<[string, Json]> {
  if (!isJsonObject(value) || (path !== "" && Object.keys(value).length === 0)) {
    yield [path, value];
    return;
  }
  for (const key of Object.keys(value).toSorted()) {
    const member = value[key];
    if (member !== undefined) yield* walk(member, path === "" ? key : `${path}.${key}`);
  }
}

function referenceText(secret: SecretSetting): string {
  return secret.for === undefined
    ? sourceText(secret)
    : `${sourceText(secret)}, for ${secret.for.join(", ")}`;
}

function sourceText(ref: SecretRef): string {
  if ("env" in ref) return `from environment variable ${ref.env}`;
  return "file" in ref ? `from file ${ref.file}` : `from command ${ref.command[0] ?? ""}`;
}
