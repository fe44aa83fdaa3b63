import { describe, expect, it } from "vitest";
import { SandkeepError } from "../../src/errors.ts";
import type { ResolvedAgent } from "../../src/model/settings.ts";
import { chooseSession } from "../../src/runs/whom.ts";
import { agentOf, fleetOf } from "../support/runtimes.ts";

const main = agentOf("main", {}, ["main", "review"]);
const work = agentOf("work", {}, ["main", "review", "deploy"]);
const ops = agentOf("ops", {}, ["main"]);

function choose(agents: readonly ResolvedAgent[], agent?: string, session?: string): string {
  try {
    const whom = chooseSession(fleetOf(agents), {
      ...(agent === undefined ? {} : { agent }),
      ...(session === undefined ? {} : { session }),
    });
    return `${whom.agent.name}:${whom.session}`;
  } catch (thrown) {
    if (!(thrown instanceof SandkeepError)) throw thrown;
    expect(thrown).toMatchObject({ code: "USAGE", exitCode: 64 });
    return `${thrown.message}; ${thrown.hint}`;
  }
}

describe("who runs a command", () => {
  it.each<[string, readonly ResolvedAgent[], string | undefined, string | undefined, string]>([
    ["the only agent, its main session", [work], undefined, undefined, "work:main"],
    ["of several, the one called main", [work, main], undefined, undefined, "main:main"],
    ["the named one", [work, main], "work", undefined, "work:main"],
    ["the named one, in a session", [work, main], "work", "review", "work:review"],
    ["the named one, in a session nobody declared", [work, main], "work", "pr-12", "work:pr-12"],
    ["by a session key", [work, main], undefined, "agent:work:deploy", "work:deploy"],
    [
      "by a session key, in a session nobody declared",
      [work, main],
      undefined,
      "agent:work:pr-12",
      "work:pr-12",
    ],
    ["by a session key and its own agent", [work, main], "work", "agent:work:x", "work:x"],
    ["by a session that only it has", [work, main, ops], undefined, "deploy", "work:deploy"],
    ["the only agent, in a session nobody declared", [work], undefined, "pr-12", "work:pr-12"],
  ])("%s", (_title, agents, agent, session, expected) => {
    expect(choose(agents, agent, session)).toBe(expected);
  });

  it.each<[string, readonly ResolvedAgent[], string | undefined, string | undefined, string]>([
    [
      "two agents and nothing said",
      [work, ops],
      undefined,
      undefined,
      "which agent runs it is not clear; name one with --agent: work, ops",
    ],
    [
      "a session that two have",
      [work, main, ops],
      undefined,
      "review",
      "which agent runs it is not clear; name one with --agent: work, main",
    ],
    [
      "a session that all have, though one is called main",
      [work, main],
      undefined,
      "review",
      "which agent runs it is not clear; name one with --agent: work, main",
    ],
    [
      "a session that nobody declared",
      [work, main],
      undefined,
      "pr-12",
      "which agent runs it is not clear; name one with --agent: work, main",
    ],
    [
      "no agents",
      [],
      undefined,
      undefined,
      "which agent runs it is not clear; the config declares no agents",
    ],
    ["a mistyped agent", [work, main], "wrok", undefined, 'there is no agent "wrok"; did you mean work?'],
    [
      "an unknown agent",
      [work, main],
      "somebody",
      undefined,
      'there is no agent "somebody"; the config declares work, main',
    ],
    [
      "an unknown agent of no agents",
      [],
      "a",
      undefined,
      'there is no agent "a"; the config declares no agents',
    ],
    [
      "an unknown agent in a session key",
      [work, main],
      undefined,
      "agent:somebody:x",
      'there is no agent "somebody"; the config declares work, main',
    ],
    [
      "another agent than the session key's",
      [work, main],
      "main",
      "agent:work:x",
      "session agent:work:x is not of agent main; leave out --agent",
    ],
    [
      "what is no session name",
      [work],
      undefined,
      "a b",
      '"a b" is no session name; use letters, digits, dots, dashes and underscores, at most 64',
    ],
    [
      "what is no session key",
      [work],
      undefined,
      "agent:work",
      '"agent:work" is no session name; use letters, digits, dots, dashes and underscores, at most 64',
    ],
  ])("is refused: %s", (_title, agents, agent, session, expected) => {
    expect(choose(agents, agent, session)).toBe(expected);
  });
});
