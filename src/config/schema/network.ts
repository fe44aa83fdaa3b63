import { BlockList, isIP } from "node:net";
import * as z from "zod";
import { NO_HOST_ADDRESS } from "../../model/network.ts";
import { about, textOf, word } from "./text.ts";

const RESERVED: ReadonlySet<string> = new Set(["none", "host", "bridge", "default", "egress"]);

export const networkName = textOf(
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/,
  "1 to 32 letters, digits, dots, underscores or dashes",
).refine((name) => !RESERVED.has(name), { error: "this name means a network of every engine" });

const LABEL = "[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?";
const HOST = new RegExp(`^(?:\\*\\.)?${LABEL}(?:\\.${LABEL})*$`, "i");
const PORT = /^[1-9]\d{0,4}$/;

/** `pypi.org`, `*.npmjs.org`, `10.0.0.5`, `[fd00::5]`, each with `:port` or without. */
function isEgressRule(text: string): boolean {
  const bracket = /^\[([^\]]+)\](?::(.+))?$/.exec(text);
  if (bracket !== null) return isIP(bracket[1] ?? "") === 6 && isPort(bracket[2]);
  const [host = "", port, ...rest] = text.split(":");
  // A name of digits alone is a number, which some resolvers read as an address.
  const named = isIP(host) === 4 || (HOST.test(host) && !/^[\d.]+$|^0x/i.test(host));
  return rest.length === 0 && named && isPort(port);
}

function isPort(text: string | undefined): boolean {
  return text === undefined || (PORT.test(text) && Number(text) <= 65_535);
}

const allow = z
  .array(
    z.string().refine(isEgressRule, {
      error: 'expected a host such as "pypi.org", "*.npmjs.org", "10.0.0.5:5432" or "[fd00::5]:443"',
    }),
  )
  .apply(
    about,
    'Hosts that may be reached: "pypi.org", "*.npmjs.org", "10.0.0.5:5432". Ports 80 and 443 unless said.',
  );

/** `[sandbox.egress]`. */
export const egressSchema = z.strictObject({
  allow: allow.optional(),
  image: word("an image name")
    .optional()
    .apply(
      about,
      "Image the gate runs in; it must hold node 16 or newer. Without it, the sandbox's own image.",
    ),
});

const subnet = z.string().refine((text) => isSubnet(text), {
  error: 'expected an IPv4 subnet such as "10.88.0.0/24"',
});

function isSubnet(text: string): boolean {
  const [address = "", bits = ""] = text.split("/");
  return isIP(address) === 4 && /^\d{1,2}$/.test(bits) && Number(bits) >= 8 && Number(bits) <= 29;
}

/** `[networks.NAME]`. */
export const networkSchema = z
  .strictObject({
    driver: z.enum(["bridge"]).optional().apply(about, "How the engine makes it: bridge."),
    internal: z.boolean().optional().apply(about, "Whether the engine lets nothing off it."),
    subnet: subnet
      .optional()
      .apply(about, 'Its addresses, such as "10.88.0.0/24"; without it the engine chooses.'),
    gateway: z.ipv4().optional().apply(about, "The engine's own address in the subnet."),
    options: z
      .record(
        textOf(/^com\.docker\.network\.[a-z0-9._]+$/, "an option of the engine's bridge driver"),
        z.string(),
      )
      .optional()
      .apply(about, 'Options of the driver, such as { "com.docker.network.driver.mtu" = "1400" }.'),
    egress: z
      .strictObject({
        allow,
        image: word("an image name").apply(about, "Image the gate runs in; it must hold node 16 or newer."),
      })
      .optional()
      .apply(about, "What may leave the network; everything else is denied."),
  })
  .refine(({ egress, internal }) => egress === undefined || internal !== false, {
    error: "a network with egress is internal: the gate is its only way out",
    path: ["internal"],
  })
  .refine(({ egress, options }) => egress === undefined || options?.[NO_HOST_ADDRESS] === undefined, {
    error: "behind a gate the engine's machine has no address: sandkeep sets this option itself",
    path: ["options", NO_HOST_ADDRESS],
  })
  .refine(({ subnet: text, gateway }) => gateway === undefined || holds(text, gateway), {
    error: "expected an address of the subnet",
    path: ["gateway"],
  });

function holds(text: string | undefined, address: string): boolean {
  if (text === undefined || !isSubnet(text)) return false;
  const [base = "", bits = ""] = text.split("/");
  const list = new BlockList();
  list.addSubnet(base, Number(bits));
  return list.check(address);
}
