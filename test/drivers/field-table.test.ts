import { beforeAll, describe, expect, it } from "vitest";
import { buildkitSchema } from "../../src/config/schema/buildkit.ts";
import { dockerSchema } from "../../src/config/schema/docker.ts";
import { localSchema } from "../../src/config/schema/local.ts";
import { sshSchema } from "../../src/config/schema/ssh-sandbox.ts";
import { sandboxSchema } from "../../src/config/schema/sandbox.ts";
import type { DriverModule } from "../../src/drivers/driver.ts";
import { BACKENDS, builtInDrivers } from "../../src/drivers/registry.ts";

/** Sections of `[sandbox]`, by backend. */
const SECTIONS: Readonly<Record<string, readonly string[]>> = {
  docker: Object.keys(dockerSchema.shape),
  podman: Object.keys(dockerSchema.shape),
  local: Object.keys(localSchema.shape),
  ssh: Object.keys(sshSchema.shape),
  buildkit: Object.keys(buildkitSchema.shape),
};

/** Keys of `[sandbox]` that make no runtime other than it would be, each with its reason. */
const SHAPES_NOTHING: Readonly<Record<string, string>> = {
  mode: "says which sessions are sandboxed; its effect is which addresses exist",
  scope: "says which sessions share; its effect is which addresses exist",
  backend: "part of the spec itself, beside its values",
  host: "says where; a runtime on another host is another object, and the old one an orphan",
  provision: "when a runtime is created, not what it is",
  protect: "what may be done to a runtime",
  attest: "how a runtime is checked, not what it is",
  timeouts: "how long making a runtime may take, not what it is",
  prune: "when a runtime goes",
  disruption: "when a runtime may be replaced",
  salvage: "what is kept of a runtime that goes",
  egress: "gives the runtime a network of its own, whose gate changes without it",
};

/** Rows without a key of their own, each with its reason. */
const PSEUDO_ROWS: Readonly<Record<string, string>> = {
  "workspace.provider": "chosen by the driver from where its engine is; part of the spec",
  "docker.command_secrets": "from sandbox.secrets: those for the container's main program",
  "podman.command_secrets": "from sandbox.secrets: those for the container's main program",
  "podman.egress": "as for docker; its engine makes no gates, so no container of it has one",
  "docker.egress": "set where the runtime's network has a gate, by [sandbox.egress] or by the network's own",
  "docker.engine_limits": "limits that only somebody else could have set on a container",
  "docker.engine_privileges": "what only somebody else could have made a container with",
  "docker.state_directory":
    "whether a container shows sandkeep's state, which lies where a config cannot say",
  "podman.engine_limits": "limits that only somebody else could have set on a container",
  "podman.engine_privileges": "what only somebody else could have made a container with",
  "podman.state_directory":
    "whether a container shows sandkeep's state, which lies where a config cannot say",
};

/** Keys shared by all backends that shape a runtime: those of `[sandbox]` that are neither a section nor policy. */
function sharedPaths(): string[] {
  const sections = new Set(Object.keys(SECTIONS));
  return Object.keys(sandboxSchema.shape)
    .filter((key) => !sections.has(key) && SHAPES_NOTHING[key] === undefined)
    .flatMap((key) =>
      key === "workspace"
        ? Object.keys(sandboxSchema.shape.workspace.unwrap().shape).map((each) => `workspace.${each}`)
        : [key],
    );
}

it("every backend has a section in the schema, and the other way round", () => {
  expect(Object.keys(SECTIONS).toSorted()).toEqual(BACKENDS.toSorted());
  for (const section of Object.keys(SECTIONS)) expect(sandboxSchema.shape).toHaveProperty(section);
});

it("no key is listed as shaping nothing that the schema does not know", () => {
  for (const key of Object.keys(SHAPES_NOTHING)) expect(sandboxSchema.shape).toHaveProperty(key);
});

describe.each([...BACKENDS])("the field table of %s", (backend) => {
  let module: DriverModule;
  beforeAll(async () => {
    const load = builtInDrivers[backend];
    if (load === undefined) throw new Error(`no driver ${backend}`);
    module = await load();
  });

  it("has one row for every key that shapes a runtime, and no other", () => {
    const own = (SECTIONS[backend] ?? []).map((key) => `${backend}.${key}`);
    const pseudo = Object.keys(PSEUDO_ROWS).filter(
      (path) => path.startsWith(`${backend}.`) || path.startsWith("workspace."),
    );
    const rows = module.fields.map(({ path }) => path);
    expect(rows.toSorted()).toEqual([...sharedPaths(), ...own, ...pseudo].toSorted());
  });

  it("says why, for every row, in one line", () => {
    for (const { path, why } of module.fields) {
      expect(why.trim(), path).not.toBe("");
      expect(why, path).not.toContain("\n");
    }
  });

  it("hashes only what can do nothing but recreate, whatever the values", () => {
    const values = [undefined, null, 0, 1, "a", "b", true, [], ["x"], {}, { a: "b" }];
    for (const { path, hashed, classify } of module.fields) {
      if (!hashed) continue;
      for (const before of values)
        for (const after of values) expect(classify(before, after), path).toBe("recreate");
    }
  });
});
