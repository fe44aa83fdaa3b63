import { readValues } from "../../src/drivers/docker/section.ts";
import { readFields } from "../../src/drivers/docker/values.ts";
import { readContainer } from "../../src/drivers/docker/wire-container.ts";
import { readInfo } from "../../src/drivers/docker/wire.ts";
import type { JsonObject } from "../../src/model/json.ts";

type Created = ReturnType<typeof readValues>;

/** Values of a spec whose workspace is the container's own. */
export function valuesWith(docker: JsonObject = {}, env: Readonly<Record<string, string>> = {}): JsonObject {
  return { workspace: { access: "none", target: "/workspace", provider: "own" }, env, docker };
}

/** What a container was created from. */
export const createdWith = (...values: Parameters<typeof valuesWith>): Created =>
  readValues(valuesWith(...values));

/** The fields of one container named `sk-a`, as an engine shows it. */
export function fieldsOf(
  shown: Readonly<Record<string, unknown>>,
  created: Created,
  context: Partial<Parameters<typeof readFields>[1]> = {},
): ReturnType<typeof readFields> {
  const container = readContainer({
    Id: "c1",
    Name: "/sk-a",
    State: {},
    Config: {},
    HostConfig: {},
    ...shown,
  });
  const usual = { image: undefined, info: readInfo({}), ref: "x", own: "sk-a", stateDir: "/state" };
  return readFields(container, { created, ...usual, ...context });
}
