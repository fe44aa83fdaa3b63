import { describe, expect, it } from "vitest";
import { elevatedInput, judgeElevated } from "../../src/policy/elevated.ts";
import { lineOf, resolveText } from "../support/fleet-text.ts";

async function judge(text: string, channel?: string, agent = "a") {
  const { loaded } = await resolveText(text);
  return judgeElevated(elevatedInput(loaded, agent), channel);
}

const OPEN = '[tools.elevated.allow_from]\nchat = ["alice"]\nmail = ["bob"]\nnone = []\n';

describe("elevated commands", () => {
  it("are closed when nobody is listed, and the key to write is named", async () => {
    const judged = await judge("[agents.a]\n");
    expect(judged).toMatchObject({ enabled: false, allowed_channels: [] });
    expect(judged.failures).toEqual([{ gate: "allow_from", key: "tools.elevated.allow_from.<channel>" }]);
    expect(judged.fix_it).toMatchObject([{ key: "tools.elevated.allow_from.<channel>", file: undefined }]);
  });

  it("are open on the channels the fleet lists", async () => {
    expect(await judge(`${OPEN}[agents.a]\n`)).toMatchObject({
      enabled: true,
      allowed_channels: ["chat", "mail"],
      failures: [{ gate: "allow_from", key: "tools.elevated.allow_from.none" }],
    });
    expect(await judge(`${OPEN}[agents.a]\n`, "chat")).toMatchObject({ enabled: true, failures: [] });
  });

  it("are narrowed by the agent's own list, never widened", async () => {
    const text = `${OPEN}[agents.a.tools.elevated.allow_from]\nchat = ["carol"]\nmail = []\nextra = ["eve"]\n`;
    const judged = await judge(text);
    expect(judged.allowed_channels).toEqual(["chat"]);
    expect(judged.failures).toEqual([
      { gate: "allow_from", key: "tools.elevated.allow_from.extra" },
      {
        gate: "allow_from",
        key: "agents.a.tools.elevated.allow_from.mail",
        source: { file: "sandkeep.toml", line: lineOf(text, "mail = []"), column: 1 },
      },
      expect.objectContaining({ key: "tools.elevated.allow_from.none" }),
      { gate: "allow_from", key: "agents.a.tools.elevated.allow_from.none" },
    ]);
  });

  it.each([
    ["tools.elevated.enabled", "[tools.elevated]\nenabled = false\n[agents.a]\n"],
    ["agents.a.tools.elevated.enabled", "[agents.a.tools.elevated]\nenabled = false\n"],
  ])("are closed by %s", async (key, text) => {
    const judged = await judge(OPEN + text, "chat");
    expect(judged.enabled).toBe(false);
    expect(judged.allowed_channels).toEqual([]);
    const line = lineOf(OPEN + text, "enabled");
    expect(judged.failures).toEqual([
      { gate: "enabled", key, source: { file: "sandkeep.toml", line, column: 1 } },
    ]);
    expect(judged.fix_it).toMatchObject([{ key, file: "sandkeep.toml", line }]);
  });

  it("name every closed gate of a channel", async () => {
    const text =
      '[tools.elevated]\nenabled = false\n[agents.a.tools.elevated]\nenabled = false\nallow_from = { mail = ["x"] }\n';
    const judged = await judge(text, "chat");
    expect(judged.failures.map(({ key }) => key)).toEqual([
      "tools.elevated.enabled",
      "agents.a.tools.elevated.enabled",
      "tools.elevated.allow_from.chat",
      "agents.a.tools.elevated.allow_from.chat",
    ]);
  });

  it("know no channel by inheritance", async () => {
    expect(await judge(`${OPEN}[agents.a]\n`, "constructor")).toMatchObject({ enabled: false });
  });
});
