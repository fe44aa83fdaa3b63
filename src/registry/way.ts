/**
 * In: a registry's address. Out: how it is reached, as engines do it: who may vouch for its certificate, which one we show
 * it, and the proxy on the way. Reads files, connects to nothing.
 */
import { readdir, readFile } from "node:fs/promises";
import type { Agent } from "node:http";
import { homedir } from "node:os";
import { join } from "node:path";
import { rootCertificates } from "node:tls";

type Env = Readonly<Record<string, string | undefined>>;

/** Options of a request. */
export interface Way {
  readonly ca?: readonly string[];
  readonly cert?: string;
  readonly key?: string;
  readonly agent?: Agent;
}

/** The system's own authorities: Debian's, Fedora's, SUSE's, Alpine's. */
const SYSTEM = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

export async function wayTo(url: URL, env: Env): Promise<Way> {
  const agent = await proxyAgent(url, env);
  const way = agent === undefined ? {} : { agent };
  return url.protocol === "https:" ? { ...way, ...(await certificates(url.host, env)) } : way;
}

async function certificates(registry: string, env: Env): Promise<Way> {
  const ca = [...rootCertificates];
  const system = env["SSL_CERT_FILE"] === undefined ? SYSTEM : [env["SSL_CERT_FILE"]];
  for (const file of system) {
    const text = await readText(file);
    if (text === undefined) continue;
    ca.push(text);
    break;
  }
  const own = join(env["HOME"] ?? homedir(), ".config");
  let shown: Way = {};
  for (const root of ["/etc/docker", "/etc/containers", join(own, "docker"), join(own, "containers")]) {
    const folder = join(root, "certs.d", registry);
    const names: string[] = await readdir(folder).catch(() => []);
    for (const name of names.toSorted()) {
      const text = /\.(crt|cert)$/.test(name) ? await readText(join(folder, name)) : undefined;
      if (text === undefined) continue;
      if (name.endsWith(".crt")) ca.push(text);
      else shown = { cert: text, ...(await keyBeside(join(folder, name))) };
    }
  }
  return { ca, ...shown };
}

async function keyBeside(cert: string): Promise<Way> {
  const key = await readText(cert.replace(/\.cert$/, ".key"));
  return key === undefined ? {} : { key };
}

async function readText(file: string): Promise<string | undefined> {
  return readFile(file, "utf8").catch(() => undefined);
}

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, which never mean this machine itself. */
async function proxyAgent(url: URL, env: Env): Promise<Agent | undefined> {
  const proxy = LOOPBACK.test(url.hostname) ? undefined : proxyFor(url, env);
  if (proxy === undefined) return undefined;
  const { HttpsProxyAgent } = await import("https-proxy-agent");
  return new HttpsProxyAgent(proxy);
}

export function proxyFor(url: URL, env: Env): string | undefined {
  const named = (name: string): string => env[name] || env[name.toUpperCase()] || "";
  const scheme = url.protocol.slice(0, -1);
  const proxy = named(`${scheme}_proxy`) || named("all_proxy");
  if (proxy === "" || isExcepted(url, named("no_proxy"))) return undefined;
  return proxy.includes("://") ? proxy : `http://${proxy}`;
}

/** A name stands for what is below it as well; one that begins with a dot or `*.` for that alone. */
function isExcepted({ protocol, hostname, port }: URL, list: string): boolean {
  const ownPort = port || (protocol === "https:" ? "443" : "80");
  return list
    .toLowerCase()
    .split(/[,\s]+/)
    .filter((each) => each !== "")
    .some((each) => {
      const [, name = each, only = ownPort] = /^(\[.*\]|[^:]+):(\d+)$/.exec(each) ?? [];
      if (only !== ownPort) return false;
      const above = name.replace(/^\*?\.?/, ".");
      return name === "*" || name === hostname || hostname === `[${name}]` || hostname.endsWith(above);
    });
}
