import { expect, test } from "vitest";
import { SandkeepError } from "../../src/errors.ts";
import type { Attached, Host } from "../../src/remote/kept.ts";
import { keptChannel } from "../../src/remote/kept.ts";

const HOUR_MS = 3_600_000;

function lost(): SandkeepError {
  return new SandkeepError("the connection was lost", { code: "SSH_LOST", kind: "unreachable", hint: "" });
}

/** Each attempt to attach is answered by the next of these, and the last one by all further ones. */
function hostOf(answers: readonly (() => Promise<Attached>)[]): {
  readonly host: Host;
  readonly tried: () => number;
} {
  let tries = 0;
  const host: Host = {
    label: "ci@build1",
    folder: "/kept",
    attach: async () => {
      const answer = answers[Math.min(tries, answers.length - 1)];
      tries += 1;
      if (answer === undefined) throw new Error("nothing to answer");
      return answer();
    },
    script: () => Promise.resolve(),
  };
  return { host, tried: () => tries };
}

test("a connection that stood for hours is attached again when it is lost", async () => {
  let now = 0;
  const { host, tried } = hostOf([
    () => {
      now += 5 * HOUR_MS;
      return Promise.resolve({ result: Promise.reject(lost()), close: () => undefined });
    },
    () => Promise.reject(lost()),
    () => Promise.resolve({ result: Promise.resolve(0), close: () => undefined }),
  ]);
  expect(await keptChannel(host, () => now).ended).toEqual({ kind: "exited", code: 0 });
  expect(tried()).toBe(3);
});

test("a host that does not come back is waited for from when it went, and no longer", async () => {
  let now = 0;
  const { host, tried } = hostOf([
    () => {
      now += 5 * HOUR_MS;
      return Promise.resolve({ result: Promise.reject(lost()), close: () => undefined });
    },
    () => {
      now += 200_000;
      return Promise.reject(lost());
    },
  ]);
  expect(await keptChannel(host, () => now).ended).toEqual({
    kind: "lost",
    why: "the host did not come back",
  });
  expect(tried()).toBe(3);
});
