import type { GateSpec } from "../../model/network.ts";
import {
  addressList,
  admit,
  forward,
  isGuest,
  mayReach,
  parseRule,
  parseTarget,
  ruleFor,
  serve,
  tunnel,
} from "./gate-program.ts";

/** Said once it listens, so that nobody is let onto a network whose gate is not open yet. */
export const GATE_READY = "sandkeep: the gate is open";
const GATE_PORT = 3128;

const PARTS = {
  addressList,
  admit,
  forward,
  isGuest,
  mayReach,
  parseRule,
  parseTarget,
  ruleFor,
  serve,
  tunnel,
};

/** `guests` are the address ranges of its network. The program as `node -e` takes it. It holds no name that a build could have changed: parts call each other as they are called here. */
export function gateText(gate: GateSpec, guests: readonly string[]): string {
  const modules = 'dns: require("node:dns").promises, http: require("node:http"), net: require("node:net")';
  const names = Object.entries(PARTS).map(([name, part]) => aliased(name, part));
  return [
    '"use strict";',
    ...Object.values(PARTS).map((part) => part.toString()),
    ...names,
    `const rules = ${JSON.stringify(gate.allow)}.map((text) => ${parseRule.name}(text));`,
    `const modules = { ${modules}, log: (line) => console.log(line) };`,
    'process.on("SIGTERM", () => process.exit(0));',
    `${serve.name}(rules, ${JSON.stringify(guests)}, modules).listen(${GATE_PORT}, () => console.log(${JSON.stringify(GATE_READY)}));`,
  ].join("\n");
}

/** Where a build renamed a part, the others still find it by either name. */
function aliased(name: string, part: { readonly name: string }): string {
  return part.name === name ? "" : `const ${name} = ${part.name};`;
}
