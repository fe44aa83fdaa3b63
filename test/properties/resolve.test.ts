import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Config, configSchema } from "../../src/config/schema/root.ts";
import type { Json, JsonObject } from "../../src/model/json.ts";
import type { KeyPath, Source } from "../../src/model/source.ts";
import type { ConfigInput } from "../../src/resolve/agents.ts";
import { resolve } from "../../src/resolve/index.ts";
import { isList, isTable } from "../../src/model/json.ts";
import { bindTarget } from "../../src/resolve/merge.ts";

const facts = { home: "/home/me", realPath: (path: string) => path };

function valueAt(value: Json | undefined, path: KeyPath): Json | undefined {
  let at = value;
  for (const key of path) {
    if (isList(at)) at = at[Number(key)];
    else if (isTable(at)) at = Object.hasOwn(at, key) ? at[key] : undefined;
    else return undefined;
  }
  return at;
}

/** A config without a file: every written key stands in line 1. */
function input(written: object): ConfigInput & { readonly config: Config } {
  const config = configSchema.parse({ version: 1, fleet: "team", ...written });
  const source: Source = { file: "sandkeep.toml", line: 1, column: 1 };
  return {
    root: "/project",
    config,
    locate: (path) => (valueAt(config, path) === undefined ? undefined : source),
  };
}

const name = fc.constantFrom("a", "b", "c", "work", "main", "constructor", "hasOwnProperty");
const variable = fc.constantFrom("A", "B", "LANG", "toString");
const target = fc.constantFrom("/a", "/b", "/b/", "/c/d");
const bind = fc
  .tuple(fc.constantFrom("./x", "./y", "/srv/z"), target, fc.constantFrom("", ":ro", ":rw"))
  .map(([source, to, mode]) => `${source}:${to}${mode}`);
const duration = fc.constantFrom("1h", "2d", "off", 0);
const table = <T>(shape: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(shape, { requiredKeys: [] });

const sandbox = table({
  mode: fc.constantFrom("off", "non-main", "all"),
  scope: fc.constantFrom("session", "agent", "shared"),
  backend: fc.constantFrom("docker", "local"),
  provision: fc.constantFrom("eager", "on-use"),
  protect: fc.boolean(),
  setup: fc.array(fc.constantFrom("one", "two"), { maxLength: 2 }),
  env: fc.dictionary(variable, fc.constantFrom("1", "2")),
  secrets: fc.dictionary(fc.constantFrom("S", "T"), fc.constantFrom({ env: "X" }, { file: "f" })),
  workspace: table({
    source: fc.constantFrom(".", "sub", "/srv/ws"),
    access: fc.constantFrom("none", "ro", "rw"),
    target: fc.constantFrom("/workspace", "/work"),
  }),
  prune: table({ idle: duration, max_age: duration }),
  disruption: table({ when: fc.constantFrom("now", "idle", "never"), max_wait: duration }),
  salvage: table({
    when: fc.constantFrom("off", "unattended", "always"),
    exclude: fc.array(fc.constantFrom("/root/.cache", "**/node_modules"), { maxLength: 2 }),
    keep: fc.constantFrom(1, 5, "all"),
    max_age: duration,
  }),
  docker: table({
    image: fc.constantFrom("x", "y"),
    binds: fc.array(bind, { maxLength: 4 }),
    dns: fc.array(fc.constantFrom("10.0.0.1", "10.0.0.2"), { maxLength: 2 }),
    cap_drop: fc.constantFrom([], ["ALL"], ["NET_RAW"]),
    ulimits: fc.dictionary(fc.constantFrom("nofile", "nproc"), fc.constantFrom(1, { soft: 1, hard: 2 })),
    labels: fc.dictionary(fc.constantFrom("l", "l.m"), fc.constantFrom("1", "2")),
    pids: fc.constantFrom(1, 2, "unlimited"),
  }),
  local: table({
    isolation: fc.constantFrom("none", "bubblewrap"),
    network: fc.constantFrom("none", "host"),
    binds: fc.array(bind, { maxLength: 3 }),
  }),
});

const agents = fc.dictionary(name, table({ sandbox, sessions: fc.constantFrom(["main"], ["main", "pr"]) }));
const fleet = table({ sandbox, agents });

/** Every leaf of effective settings with its path as `provenance` takes it. */
function leaves(value: Json | undefined, path: string): [string, Json][] {
  if (value === undefined) return [];
  if (isList(value)) {
    if (!path.endsWith(".binds")) return [[path, value]];
    return value.map((each) => [`${path}[${bindTarget(each) ?? ""}]`, each]);
  }
  if (!isTable(value) || /\.(ulimits|labels)\.[^.]+$|^secrets\.[^.]+$/.test(path)) return [[path, value]];
  const dot = path === "" ? "" : `${path}.`;
  return Object.entries(value).flatMap(([key, each]) =>
    leaves(each, dot + (key.includes(".") ? JSON.stringify(key) : key)),
  );
}

describe("resolving", () => {
  it("does not depend on the order in which agents and keys are written", () => {
    const turned = (value: Json): Json =>
      isTable(value)
        ? Object.fromEntries(
            Object.entries(value)
              .toReversed()
              .map(([key, each]) => [key, turned(each ?? null)]),
          )
        : value;
    fc.assert(
      fc.property(fleet, (written) => {
        const one = resolve(input(written), facts);
        const two = resolve(input(turned(written) as object), facts);
        const seen = ({ draft, diagnostics }: typeof one) => ({
          agents: draft.agents.map(({ name: each, sessions, settings }) => ({ each, sessions, settings })),
          diagnostics: diagnostics.map((each) => JSON.stringify(each)).toSorted(),
        });
        expect(seen(two)).toEqual(seen(one));
      }),
    );
  });

  it("tells for every leaf the key whose value is in force", () => {
    fc.assert(
      fc.property(fleet, (written) => {
        const loaded = input(written);
        const config = loaded.config as JsonObject;
        for (const agent of resolve(loaded, facts).draft.agents) {
          const { options, ...rest } = agent.settings;
          const all: JsonObject = { ...(rest as unknown as JsonObject), [agent.settings.backend]: options };
          for (const [path, value] of leaves(all, "")) {
            const { layer, key, source } = agent.provenance(path);
            const said = valueAt(config, key);
            expect(source === undefined, path).toBe(layer === "built-in");
            if (layer === "built-in") {
              expect(said, path).toBeUndefined();
              expect(key[0]).toBe("sandbox");
            } else if (path !== "workspace.source") {
              expect(said, path).toEqual(value);
              expect(key[0]).toBe(layer === "agent" ? "agents" : "sandbox");
            }
          }
        }
      }),
    );
  });

  it("lets the last bind of a target win, and loses no target", () => {
    fc.assert(
      fc.property(fc.array(bind), fc.array(bind), (base, over) => {
        const loaded = input({
          sandbox: { backend: "docker", docker: { binds: base } },
          agents: { a: { sandbox: { docker: { binds: over } } } },
        });
        const options = resolve(loaded, facts).draft.agents[0]?.settings.options ?? {};
        const expected: Record<string, string> = {};
        for (const text of [...base, ...over]) {
          const [source = "", to = "", mode = "rw"] = text.split(":");
          expected[to.replace(/\/$/, "")] = `${source} ${mode}`;
        }
        const found = (options["binds"] as { source: string; target: string; mode: string }[]).map(
          ({ source, target: to, mode }) => [to, `${source} ${mode}`],
        );
        expect(new Set(found.map(([to]) => to)).size).toBe(found.length);
        expect(Object.fromEntries(found)).toEqual(expected);
      }),
    );
  });

  it("changes nothing by saying the same again, or by saying nothing", () => {
    fc.assert(
      fc.property(sandbox, (same) => {
        const { draft } = resolve(
          input({ sandbox: same, agents: { again: { sandbox: same }, empty: {}, bare: { sandbox: {} } } }),
          facts,
        );
        const [again, bare, empty] = draft.agents;
        expect(again?.settings).toEqual(empty?.settings);
        expect(bare?.settings).toBe(empty?.settings);
      }),
    );
  });

  it("gives no fleet exactly when it reports an error", () => {
    fc.assert(
      fc.property(fleet, (written) => {
        const { fleet: found, diagnostics } = resolve(input(written), facts);
        expect(found === undefined).toBe(diagnostics.some(({ severity }) => severity === "error"));
      }),
    );
  });

  it("never lets two agents of one shared runtime differ in what shapes it", () => {
    fc.assert(
      fc.property(fleet, (written) => {
        const { fleet: found } = resolve(input(written), facts);
        const shapes = (found?.agents ?? [])
          .filter(({ settings }) => settings.scope === "shared" && settings.mode !== "off")
          .map(({ settings: { mode: _mode, provision: _provision, ...shape } }) => shape);
        for (const shape of shapes) expect(shape).toEqual(shapes[0]);
      }),
    );
  });
});
