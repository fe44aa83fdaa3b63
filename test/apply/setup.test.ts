import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { maskSecrets } from "../../src/util/secret-mask.ts";
import { wish } from "../support/runtimes.ts";
import { Bench } from "./applying.ts";

describe("masking", () => {
  it.each<[string, string[], string]>([
    ["nothing secret", [], "nothing secret"],
    ["a token here", ["token"], "a *** here"],
    ["token and token", ["token"], "*** and ***"],
    ["no empty secret masks", ["", "x"], "no empty secret masks"],
    ["the longer token2 first", ["token", "token2"], "the longer *** first"],
    ["one inside: abcde", ["bcd", "abcde"], "one inside: ***"],
    ["overlapping: abcd", ["abc", "bcd"], "overlapping: ***"],
    ["overlapping the other way: abcd", ["bcd", "abc"], "overlapping the other way: ***"],
    ["itself again: aaa", ["aa"], "itself again: ***"],
    ["a special one: $& (.*)", ["$&", "(.*)"], "a special one: *** ***"],
    ["stars: *", ["*"], "stars: ***"],
  ])("%j without %j", (text, secrets, expected) => {
    expect(maskSecrets(text, secrets)).toBe(expected);
  });

  it("leaves no part of any secret's occurrence, however they overlap", () => {
    const letter = fc.constantFrom("a", "b", "c");
    const secret = fc.array(letter, { minLength: 1, maxLength: 4 }).map((each) => each.join(""));
    fc.assert(
      fc.property(
        fc.array(letter, { maxLength: 20 }),
        fc.array(secret, { maxLength: 3 }),
        (letters, secrets) => {
          const text = letters.join("");
          const hidden = letters.map((_, at) =>
            secrets.some((each) => {
              for (let from = text.indexOf(each); from >= 0; from = text.indexOf(each, from + 1)) {
                if (from <= at && at < from + each.length) return true;
              }
              return false;
            }),
          );
          const shown = letters.filter((_, at) => hidden[at] === false).join("");
          expect(maskSecrets(text, secrets).replaceAll("***", "")).toBe(shown);
        },
      ),
      { numRuns: 1000 },
    );
  });
});

const secretsFor = async () => ({ TOKEN: "s3cret-value" });

const unreadable = async (): Promise<never> => {
  throw new Error("no such secret");
};

describe("setup", () => {
  it("runs in order, with secrets in its environment, and stops at the first failure", async () => {
    const seen: string[] = [];
    const bench = new Bench({
      commands: {
        note: ({ argv, env }) => {
          seen.push(`${argv[1]} ${env["TOKEN"]}`);
          return argv[1] === "two" ? 3 : 0;
        },
      },
    });
    const setup = ["note one", "note two", "note three"];
    const result = await bench.run({ desired: [wish({ settings: { setup } })] }, { secretsFor });
    expect(seen).toEqual(["one s3cret-value", "two s3cret-value"]);
    expect(result).toMatchObject({
      exit_code: 5,
      outcomes: [
        {
          status: "rolled_back",
          error: { code: "SETUP_FAILED", message: "setup command 2 of 3 exited with 3" },
        },
      ],
    });
  });

  it("quotes the end of what a failing command said, without the secrets in it", async () => {
    const setup = ["echo s3cret-value && complain it said s3cret-value && exit 1"];
    const bench = new Bench();
    const result = await bench.run({ desired: [wish({ settings: { setup } })] }, { secretsFor });
    expect(result.outcomes[0]?.error?.message).toBe("setup command 1 of 1 exited with 1: ***\nit said ***");
  });

  it("quotes no half of a secret where the output was cut", async () => {
    for (let padding = 1980; padding < 2005; padding += 1) {
      const bench = new Bench({
        commands: {
          talk: async ({ out }) => {
            await out(`${"x".repeat(50)}s3cret-value${"y".repeat(padding)}`);
            return 1;
          },
        },
      });
      const result = await bench.run({ desired: [wish({ settings: { setup: ["talk"] } })] }, { secretsFor });
      const { message = "" } = result.outcomes[0]?.error ?? {};
      expect(message.replace(/^[^:]*: /, "")).toMatch(/^x*\*{0,3}y+$/);
    }
  });

  it("does not begin when a secret cannot be read", async () => {
    const bench = new Bench();
    const desired = [wish({ settings: { setup: ["true"], secrets: { TOKEN: { env: "TOKEN" } } } })];
    expect(await bench.run({ desired }, { secretsFor: unreadable })).toMatchObject({
      outcomes: [{ status: "rolled_back" }],
    });
    expect(bench.writes()).not.toContain("exec");
  });
});
