import { expect, test } from "vitest";
import { Lab } from "../support/memory-fleet.ts";

test.each([
  ["a-short-one", ["secrets-key-short"]],
  ["x".repeat(32), []],
])("the key of fingerprints %j is told to be guessable: %j", async (key, codes) => {
  await using lab = new Lab({ env: { KEY: key, TOKEN: "s3cret-value" } });
  await lab.write({
    secrets: { key: { env: "KEY" } },
    sandbox: {
      backend: "docker",
      docker: { image: "img:a" },
      setup: ["true"],
      secrets: { TOKEN: { env: "TOKEN" } },
    },
    agents: { a: {} },
  });
  const { diagnostics } = await lab.plan();
  const told = diagnostics.filter((each) => each.path === "secrets.key");
  expect(told.map(({ code }) => code)).toEqual(codes);
  for (const each of told) expect(each).toMatchObject({ severity: "warning", line: expect.any(Number) });
});
