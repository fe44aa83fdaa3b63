import type { IncomingHttpHeaders } from "node:http";
import * as z from "zod";

/** An answer whose body was read to its end, or cut at the limit. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Ask {
  readonly method: "GET" | "HEAD" | "POST";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Accept any certificate: only for registries that may even be asked without encryption. */
  readonly insecure: boolean;
}

/** What the docker CLI's configuration holds for a registry; see `registryAuth`. */
type Credentials = Readonly<Record<string, string>> | undefined;

interface Challenge {
  /** The `WWW-Authenticate` header of the refusal. */
  readonly challenge: string;
  readonly registry: string;
  readonly repository: string;
  readonly credentials: Credentials;
  /** The registry itself is asked without encryption. */
  readonly plain: boolean;
}

type Send = (url: string, ask: Omit<Ask, "insecure">) => Promise<Answer>;

const CLIENT_ID = "sandkeep";
const tokenSchema = z.object({ token: z.string().optional(), access_token: z.string().optional() });

/** The `Authorization` header that answers a challenge; undefined when there is nothing to answer with. */
export async function authorization(asked: Challenge, send: Send): Promise<string | undefined> {
  const { challenge, credentials } = asked;
  if (/^basic\b/i.test(challenge)) return basic(credentials);
  if (!/^bearer\b/i.test(challenge)) return undefined;
  const fields = parameters(challenge);
  const realm = fields["realm"] ?? "";
  if (!URL.canParse(realm)) return undefined;
  // A registry that is asked in secret must not make us send a password in the open.
  if (!asked.plain && new URL(realm).protocol !== "https:") return undefined;
  const scope = fields["scope"] ?? `repository:${asked.repository}:pull`;
  const answer = await askForToken(realm, { service: fields["service"] ?? "", scope }, credentials, send);
  if (answer.status !== 200) return undefined;
  const parsed = tokenSchema.safeParse(JSON.parse(answer.body.toString("utf8")));
  const token = parsed.success ? (parsed.data.token ?? parsed.data.access_token) : undefined;
  return token === undefined ? undefined : `Bearer ${token}`;
}

/** An identity token is exchanged by POST; a user's name and password, or nobody's, by GET. */
async function askForToken(
  realm: string,
  { service, scope }: { readonly service: string; readonly scope: string },
  credentials: Credentials,
  send: Send,
): Promise<Answer> {
  const refresh = credentials?.["identitytoken"];
  if (refresh !== undefined) {
    const form = {
      grant_type: "refresh_token",
      service,
      scope,
      client_id: CLIENT_ID,
      refresh_token: refresh,
    };
    return send(realm, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams(form).toString(),
    });
  }
  const url = new URL(realm);
  if (service !== "") url.searchParams.set("service", service);
  url.searchParams.set("scope", scope);
  const login = basic(credentials);
  return send(url.href, { method: "GET", headers: login === undefined ? {} : { authorization: login } });
}

function basic(credentials: Credentials): string | undefined {
  const { username, password } = credentials ?? {};
  if (username === undefined || password === undefined) return undefined;
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

/** `Bearer realm="…",service="…",scope="…"` as a table. */
function parameters(challenge: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [, name = "", value = ""] of challenge.matchAll(/(\w+)="([^"]*)"/g)) {
    found[name.toLowerCase()] = value;
  }
  return found;
}
