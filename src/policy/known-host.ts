import { THIS_HOST } from "../drivers/driver.ts";
import { SandkeepError } from "../errors.ts";
import { listWords, nearestWord } from "../util/suggestion.ts";

/** Throws NO_SUCH_HOST (exit 64) for a name that is neither a host of the config nor this machine's. */
export function requireKnownHost(hosts: Readonly<Record<string, unknown>>, name: string): void {
  if (name === THIS_HOST || Object.hasOwn(hosts, name)) return;
  const known = [THIS_HOST, ...Object.keys(hosts)];
  const near = nearestWord(name, known);
  const all = `there ${known.length === 1 ? "is" : "are"} ${listWords(known)}`;
  throw new SandkeepError(`there is no host ${JSON.stringify(name)}`, {
    code: "NO_SUCH_HOST",
    hint: near === undefined ? all : `did you mean ${near}? ${all}`,
    exitCode: 64,
  });
}
