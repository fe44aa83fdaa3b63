/**
 * In: a repository and a tag or digest. Out: what the registry says of it: HEAD first, the manifest itself only where it
 * is needed. It pulls nothing, and credentials go only to the registry and to the token service that it names, not to where
 * it redirects.
 */
import { createHash } from "node:crypto";
import { request as httpRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { toError } from "../errors.ts";
import { registryError } from "./errors.ts";
import type { Reference } from "./reference.ts";
import { registryAuth } from "./auth.ts";
import { redirectOf } from "./redirect.ts";
import type { Answer, Ask } from "./token.ts";
import { authorization } from "./token.ts";
import type { Way } from "./way.ts";
import { wayTo } from "./way.ts";

type Env = Readonly<Record<string, string | undefined>>;

const TIMEOUT_MS = 10_000;
/** Registries themselves refuse manifests above 4 MiB. */
const MOST_BYTES = 4 * 1024 * 1024;
const MOST_REDIRECTS = 5;

export const INDEX_TYPES: readonly string[] = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];
const MANIFEST_TYPES: readonly string[] = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];

export interface Head {
  readonly digest: string;
  readonly mediaType: string;
}

/** One repository of one registry. */
export class RegistryClient {
  readonly #ref: Reference;
  readonly #env: Env;
  readonly #insecure: boolean;
  readonly #ways = new Map<string, Promise<Way>>();
  #base: string | undefined;
  /** `Authorization` by where it was asked for. */
  readonly #shown = new Map<string, string>();

  constructor(ref: Reference, env: Env, insecure: boolean) {
    this.#ref = ref;
    this.#env = env;
    this.#insecure = insecure;
  }

  /** What a tag or digest means now. */
  async head(tagOrDigest: string): Promise<Head> {
    const answer = await this.#manifest("HEAD", tagOrDigest);
    const digest = answer.headers["docker-content-digest"];
    const mediaType = mediaTypeOf(answer);
    if (typeof digest === "string" && mediaType !== undefined) return { digest, mediaType };
    // Some registries answer HEAD without saying what it is about.
    const full = await this.#manifest("GET", tagOrDigest);
    return { digest: digestOf(full.body), mediaType: mediaTypeOf(full) ?? "" };
  }

  /** A manifest or index by its digest, proved by it. */
  async get(digest: string): Promise<unknown> {
    const { body } = await this.#manifest("GET", digest);
    if (digestOf(body) !== digest)
      throw registryError(this.#what(digest), { message: "the answer does not have this digest" });
    try {
      const value: unknown = JSON.parse(body.toString("utf8"));
      return value;
    } catch (thrown) {
      throw registryError(this.#what(digest), thrown);
    }
  }

  #what(tagOrDigest: string): string {
    const { name } = this.#ref;
    return `ask the registry about ${name}${tagOrDigest.includes(":") ? "@" : ":"}${tagOrDigest}`;
  }

  async #manifest(method: "GET" | "HEAD", tagOrDigest: string): Promise<Answer> {
    const what = this.#what(tagOrDigest);
    try {
      this.#base ??= await this.#scheme();
      const first = new URL(`${this.#base}/v2/${this.#ref.repository}/manifests/${tagOrDigest}`);
      const answer = await this.#follow(method, first);
      if (answer.status === 200) return answer;
      throw registryError(what, { status: answer.status, message: `HTTP ${answer.status}` });
    } catch (thrown) {
      throw registryError(what, thrown);
    }
  }

  /** Some registries only say where the manifest is. Beyond another host nobody is shown the login. */
  async #follow(method: "GET" | "HEAD", first: URL): Promise<Answer> {
    let at = first;
    let own = true;
    for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects += 1) {
      const answer = await this.#admitted(method, at, own);
      const next = redirectOf(answer, at, this.#insecure);
      if (next === undefined) return answer;
      own &&= next.origin === at.origin;
      at = next;
    }
    throw new Error(`it redirects more than ${MOST_REDIRECTS} times`);
  }

  /** Asked again with what is wanted there: by the user's login at the registry itself, anonymously elsewhere. */
  async #admitted(method: "GET" | "HEAD", at: URL, own: boolean): Promise<Answer> {
    // What admits to one repository need not admit to another, even on the same host.
    const place = `${own ? "own" : "other"} ${new URL(".", at).href}`;
    const shown = this.#shown.get(place);
    const answer = await this.#send(method, at, shown);
    if (answer.status !== 401 || shown !== undefined) return answer;
    const found = await this.#authorize(answer, at, own);
    if (found === undefined) return answer;
    this.#shown.set(place, found);
    return this.#send(method, at, found);
  }

  async #authorize(refused: Answer, at: URL, own: boolean): Promise<string | undefined> {
    const { registry, repository, name } = this.#ref;
    const challenge = refused.headers["www-authenticate"] ?? "";
    const credentials = own ? await registryAuth(name, this.#env) : undefined;
    const plain = at.protocol === "http:";
    return authorization({ challenge, registry, repository, credentials, plain }, (url, options) =>
      this.#ask(url, { ...options, insecure: this.#insecure }),
    );
  }

  async #send(method: "GET" | "HEAD", at: URL, shown: string | undefined): Promise<Answer> {
    const headers = {
      accept: [...MANIFEST_TYPES, ...INDEX_TYPES].join(", "),
      ...(shown === undefined ? {} : { authorization: shown }),
    };
    return this.#ask(at.href, { method, headers, insecure: this.#insecure });
  }

  /** What is read of the way to a registry or its token service is read once. */
  async #ask(url: string, ask: Ask): Promise<Answer> {
    const target = new URL(url);
    const way = this.#ways.get(target.origin) ?? wayTo(target, this.#env);
    this.#ways.set(target.origin, way);
    return send(target, ask, await way);
  }

  /** As engines do it: encrypted first; only a registry that is marked insecure may do without. */
  async #scheme(): Promise<string> {
    const secure = `https://${this.#ref.registry}`;
    if (!this.#insecure) return secure;
    try {
      await this.#ask(`${secure}/v2/`, { method: "GET", headers: {}, insecure: true });
      return secure;
    } catch {
      return `http://${this.#ref.registry}`;
    }
  }
}

function mediaTypeOf(answer: Answer): string | undefined {
  return answer.headers["content-type"]?.split(";")[0]?.trim();
}

function digestOf(body: Buffer): string {
  return `sha256:${createHash("sha256").update(body).digest("hex")}`;
}

/** One request to its end, wherever it leads. */
async function send(target: URL, ask: Ask, { ca, ...way }: Way): Promise<Answer> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const headers = { "user-agent": "sandkeep", ...ask.headers };
  return new Promise<Answer>((resolve, reject) => {
    const options = {
      method: ask.method,
      headers,
      signal,
      ...way,
      ...(ca === undefined ? {} : { ca: [...ca] }),
    };
    const take = (response: IncomingMessage): void => {
      const { statusCode: status = 0, headers: told } = response;
      collect(response)
        .then((body) => resolve({ status, headers: told, body }))
        .catch(reject);
    };
    const request =
      target.protocol === "https:"
        ? httpsRequest(target, { ...options, rejectUnauthorized: !ask.insecure }, take)
        : httpRequest(target, options, take);
    request.on("error", (thrown) => reject(toError(signal.aborted ? signal.reason : thrown)));
    request.end(ask.body);
  });
}

async function collect(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    const data = Buffer.from(chunk);
    size += data.length;
    if (size > MOST_BYTES) throw new Error("the answer is longer than any manifest");
    chunks.push(data);
  }
  return Buffer.concat(chunks);
}
