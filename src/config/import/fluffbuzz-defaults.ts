import { type KeyPath, formatKeyPath } from "../../model/source.ts";
import { valueAt } from "../table.ts";
import { tellUser } from "./container-user.ts";
import { type Draft, type Setting, keepDefault } from "./draft.ts";
import type { Engine } from "./engines.ts";
import { type HostPlan, hasContainers } from "./fluffbuzz-hosts.ts";
import { type Agent, DEFAULTS, owners, scopeOf } from "./fluffbuzz-agents.ts";

/** What the two tools of this format call their own. */
export interface Flavour {
  readonly title: string;
  readonly image: string;
  readonly workspace: string;
  /** Where sandboxes are kept on a host. */
  readonly root: string;
}

const KEPT: readonly (readonly [Setting, string])[] = [
  [{ path: ["sandbox", "mode"], value: "off", vital: true }, "commands run on the host until a mode is set"],
  [{ path: ["sandbox", "backend"], value: "docker", vital: true }, "sandboxes are containers"],
  [{ path: ["sandbox", "provision"], value: "on-use" }, "a sandbox is made when it is first used"],
  [
    { path: ["sandbox", "disruption", "max_wait"], value: "off" },
    "a sandbox in use is never replaced, however long that takes",
  ],
];

/** Writes what the tool does where its file says nothing and sandkeep would do otherwise. */
export function keepDefaults(
  draft: Draft,
  value: unknown,
  flavour: Flavour,
  {
    agents,
    hosts,
    engines,
  }: { readonly agents: readonly Agent[]; readonly hosts: HostPlan; readonly engines: readonly Engine[] },
): void {
  for (const [setting, why] of KEPT) keepDefault(draft, setting, why);
  if (hasContainers(hosts)) keepContainers(draft, flavour, engines);
  const seen = owners(value).map((owner) => valueAt(owner, ["sandbox", "workspaceAccess"]));
  if (seen.some((access) => access === "ro" || access === "rw"))
    keepWorkspaces(draft, value, flavour, agents);
}

/** How many processes a container may have that nobody limits. */
const PROCESSES: Readonly<Record<Engine, { readonly value: string | number; readonly why: string }>> = {
  docker: { value: "unlimited", why: "processes are not limited" },
  podman: { value: 2048, why: "Podman's own limit, where its containers.conf says no other" },
};

function keepContainers(draft: Draft, { title, image }: Flavour, engines: readonly Engine[]): void {
  for (const engine of engines) {
    const key = (name: string): KeyPath => ["sandbox", engine, name];
    const { value, why } = PROCESSES[engine];
    keepDefault(draft, { path: key("pids"), value }, `${why}; 512, sandkeep's own default, is safer`);
    const built = `the image that ${title} builds; sandkeep builds none`;
    keepDefault(draft, { path: key("image"), value: image }, built);
  }
  tellUser(draft, `${title} runs a sandbox as the owner of its workspace`, '"1000:1000"', engines);
  draft.remarks.push(
    `${title} keeps a container when its tag comes to mean another image; for sandkeep that is a change, shown by plan.`,
  );
}

/** Each agent has a folder of its own there; the first, or the one that says so, has the plain one. */
function keepWorkspaces(
  draft: Draft,
  value: unknown,
  { workspace }: Flavour,
  agents: readonly Agent[],
): void {
  const main = agents.findIndex(({ at }) => valueAt(value, [...at, "default"]) === true);
  const fleetPath = ["sandbox", "workspace", "source"];
  keepDefault(draft, { path: fleetPath, value: workspace }, "where agents work when nobody says so");
  const fleetScope = scopeOf(valueAt(value, [...DEFAULTS, "sandbox"]));
  const base = draft.lines.get(formatKeyPath(fleetPath))?.why;
  for (const [index, { name, at }] of agents.entries()) {
    const scope = scopeOf(valueAt(value, [...at, "sandbox"])) ?? fleetScope;
    if (index === Math.max(0, main) || scope === "shared" || base === undefined) continue;
    const path = ["agents", name, ...fleetPath];
    keepDefault(
      draft,
      { path, value: `${workspace}-${name}` },
      "every further agent works in a folder of its own",
    );
  }
}
