import { NODE_IMAGE } from "../../support/egress-world.ts";

/** An image that the engine holds from its beginning. */
export const HELD_IMAGE = "sandkeep-test/busybox:1";
export const FLEET_ID = "k3v9q2";
/** Where a workspace is shown in its runtime, and the folder of the project that it is a copy of. */
export const WORKSPACE = { target: "/workspace", source: "work" } as const;

export interface Settings {
  /** Another value means another container. */
  readonly round: number;
  readonly memory: 64 | 96;
  /** `prune.idle`. */
  readonly idle: string;
  /** A declared network of the fleet's own, or one of the runtime's own with a gate. */
  readonly net: "none" | "owned" | "gate";
  /** Whether a bundle of what was written is kept before it goes, and there is somewhere to write. */
  readonly salvage: boolean;
  /** One that the engine holds, or one that only a registry has until it is pulled. */
  readonly image: "held" | "pulled";
  /** Access to a copy of a folder in a volume, which an engine of another machine is given; the runtime writes to `rw` alone. */
  readonly workspace: "none" | "ro" | "rw";
}

export const AT_REST: Settings = {
  round: 0,
  memory: 64,
  idle: "24h",
  net: "none",
  salvage: false,
  image: "held",
  workspace: "none",
};

/** What a runtime of these settings is made with. */
export interface Given {
  readonly fleet: string;
  readonly image: string;
  /** The engine as one of another machine: `tcp://127.0.0.1:PORT`. */
  readonly far: string;
}

const NETWORKS: Readonly<Record<Settings["net"], string>> = {
  none: "",
  owned: "[networks.build]\ninternal = true\n",
  gate: `[sandbox.egress]\nallow = ["pypi.org"]\nimage = "${NODE_IMAGE}"\n`,
};

/** `sandkeep.toml` of one agent. */
export function configOf(settings: Settings, { fleet, image, far }: Given): string {
  const { round, memory, idle, net, salvage, workspace } = settings;
  const isFar = workspace !== "none";
  return `version = 1
fleet = "${fleet}"
fleet_id = "${FLEET_ID}"
[sandbox]
backend = "docker"
${isFar ? `host = "far"\nworkspace = { access = "${workspace}", source = "${WORKSPACE.source}" }` : ""}
ready = { command = ["true"], timeout = "60s", interval = "50ms" }
setup = ["true"]
env = { ROUND = "${round}" }
docker.image = "${image}"
docker.user = "1000:1000"
docker.memory = "${memory}MiB"
docker.stop_timeout = "1s"
${net === "owned" ? 'docker.network = "build"' : ""}
${salvage ? "docker.read_only_root = false" : ""}
[sandbox.prune]
idle = "${idle}"
[sandbox.salvage]
when = "${salvage ? "always" : "off"}"
${isFar ? `[hosts.far]\ndocker = "${far}"\n` : ""}${NETWORKS[net]}[agents.a]
`;
}
