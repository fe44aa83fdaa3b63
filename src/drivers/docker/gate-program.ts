/**
 * The program of an egress gate: an HTTP proxy that lets through what is on its list and nothing else. In: rules.
 * Out: tunnels and forwarded requests. These functions run as text in a container of the user's image, so each stands
 * on its own: no imports, no constants of this file, and nothing that node 16 lacks. What they need is handed in.
 */
import type * as Dns from "node:dns";
import type * as Http from "node:http";
import type * as Net from "node:net";
import type { Duplex } from "node:stream";

export interface GateRule {
  /** Small letters, without a trailing dot; an address in its plain form. */
  readonly host: string;
  /** The host's own names too: everything below it, and not itself. */
  readonly below: boolean;
  readonly ports: readonly number[];
}

export interface GateModules {
  readonly dns: Pick<typeof Dns.promises, "lookup">;
  readonly http: Pick<typeof Http, "createServer" | "request">;
  readonly net: Pick<typeof Net, "connect" | "isIP" | "BlockList">;
  readonly log: (line: string) => void;
}

export interface GateTarget {
  readonly host: string;
  readonly port: number;
}

/** `10.0.0.5:5432` and `*.npmjs.org` as the program reads them. */
export function parseRule(text: string): GateRule {
  const parts = /^(\*\.)?(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text);
  const host = (parts?.[2] ?? parts?.[3] ?? "").toLowerCase().replace(/\.$/, "");
  const port = parts?.[4];
  return { host, below: parts?.[1] !== undefined, ports: port === undefined ? [80, 443] : [Number(port)] };
}

/** `host:port` of a CONNECT, or of a URL; undefined for what is neither. */
export function parseTarget(text: string, port: number | undefined): GateTarget | undefined {
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(text);
  const host = (parts?.[1] ?? parts?.[2] ?? "").toLowerCase().replace(/\.$/, "");
  const asked = parts?.[3] === undefined ? port : Number(parts[3]);
  if (host === "" || asked === undefined || asked < 1 || asked > 65_535) return undefined;
  return { host, port: asked };
}

/** The rule that lets a target through; undefined: denied. A name never matches an address, nor the other way round. */
export function ruleFor(rules: readonly GateRule[], target: GateTarget): GateRule | undefined {
  return rules.find(
    (rule) =>
      rule.ports.includes(target.port) &&
      (rule.below
        ? target.host.length > rule.host.length + 1 && target.host.endsWith(`.${rule.host}`)
        : target.host === rule.host),
  );
}

export function addressList(
  net: Pick<GateModules["net"], "BlockList">,
  ranges: readonly string[],
): Net.BlockList {
  const list = new net.BlockList();
  for (const range of ranges) {
    const [base = "", bits = ""] = range.split("/");
    list.addSubnet(base, Number(bits), base.includes(":") ? "ipv6" : "ipv4");
  }
  return list;
}

/**
 * Whether a rule may lead to an address. Nothing leads to the gate's own machine, to link-local addresses (where clouds
 * keep their metadata) or to none at all; and who owns a name below a wildcard chooses its address, so those are public.
 */
export function mayReach(
  rule: GateRule,
  address: string,
  net: Pick<GateModules["net"], "isIP" | "BlockList">,
): boolean {
  const plain = address.toLowerCase().replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/, "");
  const family = net.isIP(plain) === 6 ? "ipv6" : "ipv4";
  const own = "0.0.0.0/8 127.0.0.0/8 169.254.0.0/16 224.0.0.0/3 100.100.100.200/32";
  const own6 = "::/96 64:ff9b::/96 fe80::/10 ff00::/8 fd00:ec2::254/128";
  const never = addressList(net, `${own} ${own6}`.split(" "));
  const private4 = "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 198.18.0.0/15";
  const inner = addressList(net, `${private4} fc00::/7`.split(" "));
  if (net.isIP(plain) === 0 || plain.startsWith("::ffff:") || never.check(plain, family)) return false;
  return !rule.below || !inner.check(plain, family);
}

/** The address to connect to; undefined when the list, or where the name leads, forbids it. */
export async function admit(
  rules: readonly GateRule[],
  target: GateTarget,
  modules: Pick<GateModules, "dns" | "net">,
): Promise<string | undefined> {
  const rule = ruleFor(rules, target);
  if (rule === undefined) return undefined;
  const { dns, net } = modules;
  if (net.isIP(target.host) !== 0) return mayReach(rule, target.host, net) ? target.host : undefined;
  const found = await dns.lookup(target.host, { all: true });
  return found.map((each) => each.address).find((address) => mayReach(rule, address, net));
}

/** One tunnel: judged, connected to the very address that was judged, and piped until either side ends. */
export async function tunnel(
  rules: readonly GateRule[],
  asked: string,
  head: Buffer,
  client: Duplex,
  modules: GateModules,
): Promise<void> {
  client.on("error", () => client.destroy());
  const refuse = (status: string, why: string): void => {
    modules.log(`denied CONNECT ${asked}: ${why}`);
    client.end(
      `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\nsandkeep: ${why}\n`,
    );
  };
  const target = parseTarget(asked, undefined);
  if (target === undefined) return refuse("400 Bad Request", "not a host and a port");
  let address: string | undefined;
  try {
    address = await admit(rules, target, modules);
  } catch {
    return refuse("502 Bad Gateway", `${target.host} has no address`);
  }
  if (address === undefined) return refuse("403 Forbidden", `egress to ${asked} is not allowed`);
  // Who left while its target was looked up will not close the other side.
  if (client.destroyed) return;
  const server = modules.net.connect(target.port, address);
  let open = false;
  server.on("error", () => {
    if (open) client.destroy();
    else refuse("502 Bad Gateway", `${asked} does not answer`);
  });
  server.on("connect", () => {
    open = true;
    client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
    if (head.length > 0) server.write(head);
    server.pipe(client);
    client.pipe(server);
  });
  server.on("close", () => open && client.destroy());
  client.on("close", () => server.destroy());
}

/** One plain request in absolute form, judged and sent on by the very address that was judged. */
export async function forward(
  rules: readonly GateRule[],
  request: Http.IncomingMessage,
  response: Http.ServerResponse,
  modules: GateModules,
): Promise<void> {
  const { url = "", method = "GET" } = request;
  const refuse = (status: number, why: string): void => {
    modules.log(`denied ${method} ${url.slice(0, 200)}: ${why}`);
    if (response.headersSent) return void response.destroy();
    response.writeHead(status, { "content-type": "text/plain", connection: "close" });
    response.end(`sandkeep: ${why}\n`);
  };
  const parts = /^http:\/\/([^/?#@]+)([/?][^#]*)?$/i.exec(url);
  const target = parseTarget(parts?.[1] ?? "", 80);
  if (target === undefined) return refuse(400, "not a request for a proxy");
  let address: string | undefined;
  try {
    address = await admit(rules, target, modules);
  } catch {
    return refuse(502, `${target.host} has no address`);
  }
  if (address === undefined) return refuse(403, `egress to ${target.host}:${target.port} is not allowed`);
  if (response.destroyed) return;
  const headers: Http.OutgoingHttpHeaders = { ...request.headers, host: parts?.[1] };
  for (const name of ["proxy-connection", "proxy-authorization", "connection", "keep-alive", "upgrade", "te"])
    delete headers[name];
  const path = parts?.[2] ?? "/";
  const onward = modules.http.request({
    host: address,
    port: target.port,
    method,
    path: path.startsWith("?") ? `/${path}` : path,
    headers,
    setHost: false,
    agent: false,
  });
  onward.on("response", (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    // Half an answer must not look like one that is still coming.
    answer.on("error", () => response.destroy());
    answer.pipe(response);
  });
  onward.on("error", () => refuse(502, `${target.host} does not answer`));
  response.on("close", () => onward.destroy());
  request.on("error", () => onward.destroy());
  request.pipe(onward);
}

/** Whether a connection came over the gate's own network: whoever else is on the engine's bridge is no guest. */
export function isGuest(
  guests: readonly string[],
  ends: readonly (string | undefined)[],
  net: Pick<GateModules["net"], "isIP" | "BlockList">,
): boolean {
  const inside = addressList(net, guests);
  return ends.every((end) => {
    const plain = (end ?? "").toLowerCase().replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/, "");
    return net.isIP(plain) !== 0 && inside.check(plain, net.isIP(plain) === 6 ? "ipv6" : "ipv4");
  });
}

/** `guests`: the address ranges of the network that the gate is for. */
export function serve(
  rules: readonly GateRule[],
  guests: readonly string[],
  modules: GateModules,
): Http.Server {
  const server = modules.http.createServer((request, response) => {
    forward(rules, request, response, modules).catch(() => response.destroy());
  });
  server.on("connect", (request, client, head) => {
    tunnel(rules, request.url ?? "", head, client, modules).catch(() => client.destroy());
  });
  server.on("connection", (socket) => {
    if (!isGuest(guests, [socket.localAddress, socket.remoteAddress], modules.net)) socket.destroy();
  });
  server.on("clientError", (_error, socket) => socket.destroy());
  return server;
}
