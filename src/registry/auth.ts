import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import * as z from "zod";
import { configFolder, readJson } from "./docker-config.ts";
import { isHost } from "./reference.ts";

type Env = Readonly<Record<string, string | undefined>>;

const DOCKER_HUB = "https://index.docker.io/v1/";
const HELPER_NAME = /^[A-Za-z0-9._-]+$/;
const HELPER_TIMEOUT_MS = 30_000;

const configSchema = z.object({
  auths: z
    .record(z.string(), z.object({ auth: z.string().optional(), identitytoken: z.string().optional() }))
    .optional(),
  credsStore: z.string().optional(),
  credHelpers: z.record(z.string(), z.string()).optional(),
});
const credentialSchema = z.object({ Username: z.string(), Secret: z.string() });

/** The registry an image comes from, as the docker CLI keys its credentials. */
export function registryOf(ref: string): string {
  const [first = "", ...rest] = ref.split("/");
  if (rest.length === 0 || !isHost(first) || first === "docker.io" || first === "index.docker.io")
    return DOCKER_HUB;
  return first;
}

/**
 * Credentials the user already gave to the docker CLI, in its order: a helper for the registry, the store for all,
 * the config file. Undefined when there are none; the pull is then anonymous.
 */
export async function registryAuth(ref: string, env: Env): Promise<Record<string, string> | undefined> {
  const parsed = configSchema.safeParse(await readJson(join(configFolder(env), "config.json")));
  if (!parsed.success) return undefined;
  const config = parsed.data;
  const registry = registryOf(ref);
  const helper = config.credHelpers?.[registry] ?? config.credsStore;
  const fromHelper = helper === undefined ? undefined : await askHelper(helper, registry, env);
  if (fromHelper !== undefined) return { ...fromHelper, serveraddress: registry };
  const entry = entryFor(registry, config.auths ?? {});
  if (entry?.identitytoken !== undefined)
    return { identitytoken: entry.identitytoken, serveraddress: registry };
  const pair = Buffer.from(entry?.auth ?? "", "base64").toString();
  const colon = pair.indexOf(":");
  if (colon < 0) return undefined;
  return { username: pair.slice(0, colon), password: pair.slice(colon + 1), serveraddress: registry };
}

type Auths = NonNullable<z.infer<typeof configSchema>["auths"]>;

/** Older tools kept what they knew under an address, `https://HOST/v1/`: the docker CLI goes by its host, and so do we. */
function entryFor(registry: string, auths: Auths): Auths[string] | undefined {
  const exact = auths[registry] ?? auths[`https://${registry}`];
  return exact ?? Object.entries(auths).find(([key]) => hostOf(key) === registry)?.[1];
}

function hostOf(key: string): string {
  return key.replace(/^https?:\/\//, "").replace(/\/.*$/s, "");
}

/** Asks `docker-credential-<name> get`: the registry goes in on stdin, the secret comes out on stdout. */
async function askHelper(
  name: string,
  registry: string,
  env: Env,
): Promise<Record<string, string> | undefined> {
  if (!HELPER_NAME.test(name)) return undefined;
  const child = spawn(`docker-credential-${name}`, ["get"], {
    stdio: ["pipe", "pipe", "ignore"],
    env: { ...env },
    timeout: HELPER_TIMEOUT_MS,
  });
  // A helper that is not installed, or does not know the registry, means no credentials.
  const ended = new Promise<boolean>((resolve) => {
    child.once("error", () => resolve(false));
    child.once("close", (code) => resolve(code === 0));
  });
  child.stdin.on("error", () => undefined);
  child.stdin.end(registry);
  const [ok, said] = await Promise.all([ended, text(child.stdout).catch(() => "")]);
  if (!ok) return undefined;
  const credential = credentialSchema.safeParse(parse(said));
  if (!credential.success) return undefined;
  const { Username, Secret } = credential.data;
  return Username === "<token>" ? { identitytoken: Secret } : { username: Username, password: Secret };
}

function parse(said: string): unknown {
  try {
    return JSON.parse(said);
  } catch {
    return undefined;
  }
}
