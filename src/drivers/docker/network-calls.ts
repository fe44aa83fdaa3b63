/**
 * The engine's calls about one network. In: what is asked for, or what there is. Out: how the engine shows it, or the
 * error that names what it did otherwise: that it answered well proves nothing.
 */
import { SandkeepError } from "../../errors.ts";
import type { NetworkSpec, SeenNetworkSpec } from "../../model/network.ts";
import {
  networkDifferences,
  NO_HOST_ADDRESS,
  ownerOfNetwork,
  REMAKE_NETWORK,
  tellDifferences,
} from "../../model/network.ts";
import type { NetworkRequest } from "../driver.ts";
import type { Engine } from "./client.ts";
import { isDenied, isGone } from "./errors.ts";
import { NETWORK_LABEL } from "./gates.ts";
import { ownershipLabels } from "./volumes.ts";
import type { ListedNetwork } from "./wire.ts";
import { readCreated, readNetworks } from "./wire.ts";

export async function listNetworks(engine: Engine): Promise<ListedNetwork[]> {
  try {
    return await engine.json({ what: "list networks", method: "GET", path: "/networks" }, readNetworks);
  } catch (thrown) {
    if (!isDenied(thrown)) throw thrown;
    throw new SandkeepError(thrown.message, {
      code: "DOCKER_NETWORKS_DENIED",
      kind: "denied",
      blame: "backend",
      hint: "networks and egress of a fleet take the engine's /networks: allow it where this client's calls are filtered",
      cause: thrown,
    });
  }
}

/** What is held against what was asked for: at once when it is made, and by every later plan. */
export function specOf({ Internal, Options, IPAM, Driver }: ListedNetwork): SeenNetworkSpec {
  const [config] = IPAM;
  return {
    driver: Driver,
    internal: Internal,
    reaches_host: Options[NO_HOST_ADDRESS] !== "true",
    ...(config === undefined ? {} : { subnet: config.Subnet, gateway: config.Gateway }),
    options: Options,
  };
}

/** As the engine then shows it, with the addresses that it chose. */
export async function createNetwork(engine: Engine, request: NetworkRequest): Promise<ListedNetwork> {
  const { name, network, fleet, fleet_id } = request;
  const asked = askedOf(request.spec);
  const owner = ownerOfNetwork(network);
  const { Id } = await engine.json(
    {
      what: `create network ${name}`,
      method: "POST",
      path: "/networks/create",
      body: {
        Name: name,
        CheckDuplicate: true,
        Driver: asked.driver,
        Internal: asked.internal,
        Options: asked.options,
        ...ipam(asked),
        Labels: {
          ...ownershipLabels({ fleet, fleet_id, address: owner }),
          [NETWORK_LABEL]: network,
        },
      },
    },
    readCreated,
  );
  const made = (await listNetworks(engine)).find((each) => each.Id === Id);
  if (made !== undefined) return made;
  throw new SandkeepError(`the network ${name} was removed as soon as it was made`, {
    code: "DOCKER_NETWORK_NOT_FOUND",
    kind: "transient",
    blame: "backend",
    hint: "plan again",
  });
}

function ipam({ subnet, gateway }: NetworkSpec): Record<string, unknown> {
  if (subnet === undefined) return {};
  const config = { Subnet: subnet, ...(gateway === undefined ? {} : { Gateway: gateway }) };
  return { IPAM: { Driver: "default", Config: [config] } };
}

/** Behind a gate nothing leads out by itself, and not to the engine's machine either. */
function askedOf(spec: NetworkSpec): NetworkSpec {
  if (spec.gate === undefined) return spec;
  return { ...spec, internal: true, options: { ...spec.options, [NO_HOST_ADDRESS]: "true" } };
}

/**
 * Throws where the engine shows it otherwise than it was asked to be. What was just made goes again, since nothing is on
 * it yet; one that was there may be in use, and stays.
 */
export async function proveNetwork(
  engine: Engine,
  network: ListedNetwork,
  spec: NetworkSpec,
  made: boolean,
): Promise<void> {
  const wrong = networkDifferences(spec, specOf(network));
  if (wrong.length === 0) return;
  const message = `the engine does not enforce ${tellDifferences(wrong)} of the network ${network.Name}`;
  const error = { code: "NOT_ENFORCED", blame: "backend" } as const;
  throw made && (await isDeleted(engine, network))
    ? new SandkeepError(message, { ...error, hint: ANOTHER_ENGINE, exitCode: 5 })
    : new SandkeepError(message, { ...error, hint: REMAKE_NETWORK });
}

const ANOTHER_ENGINE = "change the setting, or use an engine that enforces it";

async function isDeleted(engine: Engine, network: ListedNetwork): Promise<boolean> {
  try {
    await deleteNetwork(engine, network);
    return true;
  } catch {
    // What went wrong is that it is not as asked for; the hint tells that it is still there.
    return false;
  }
}

export async function deleteNetwork(engine: Engine, { Id, Name }: ListedNetwork): Promise<void> {
  try {
    await engine.send({ what: `remove network ${Name}`, method: "DELETE", path: `/networks/${Id}` });
  } catch (thrown) {
    if (!isGone(thrown)) throw thrown;
  }
}
