import { parse } from "smol-toml";
import { describe, expect, it } from "vitest";
import { knownSource } from "../../../src/model/recorded-event.ts";
import { check, imported } from "./scene.ts";

const cleanup = (...lines: readonly string[]) =>
  imported("bmux.toml", ["[sandbox.cleanup]", ...lines].join("\n"));

const inForce = ({ text }: { readonly text: string }): unknown => parse(text)["runs"];

describe("bmux's clean-up of runs", () => {
  it.each([
    ["all", "all"],
    ["sandbox_cli", "cli"],
  ])("of the source %s is that of %s, which runs have", async (given, source) => {
    const outcome = await cleanup("failed_only = false", "older_than_secs = 300", `source = "${given}"`);
    expect(inForce(outcome)).toEqual({ cleanup: { failed_only: false, older_than: "5m", source } });
    expect(outcome.unmapped).toEqual([]);
    // What is called "other" in events has a name of its own in the ledger.
    if (source !== "all") expect([knownSource(source), source]).not.toContain("other");
  });

  it.each([
    ["playbook", "playbook"],
    ["recording_verify", "recording-verify"],
  ])("of the source %s is of that one only, and says who gives its name to a run", async (given, source) => {
    const outcome = await cleanup("failed_only = true", "older_than_secs = 0", `source = "${given}"`);
    expect(inForce(outcome)).toEqual({ cleanup: { failed_only: true, older_than: "off", source } });
    expect(outcome.unmapped).toEqual([]);
    const note = `nothing here starts such runs by itself; \`sandkeep run --source ${source}\` calls its run so`;
    expect(outcome.changed).toContainEqual(
      expect.objectContaining({ key: "sandbox.cleanup.source", to: ["runs.cleanup.source"], note }),
    );
    expect((await check(outcome.text)).filter(({ severity }) => severity === "error")).toEqual([]);
  });

  it.each([
    [0, "off", "as soon as it has ended"],
    [1, "1s", "from the end of a run"],
    [90_000, "1d1h", "with its unit"],
    [3_153_600_001, "36500d", "100 years are the longest"],
    [Number.MAX_SAFE_INTEGER, "36500d", "100 years are the longest"],
  ])("of what ended %d seconds ago is that of %s", async (seconds, age, note) => {
    const outcome = await cleanup(`older_than_secs = ${seconds}`);
    expect(inForce(outcome)).toEqual({ cleanup: { older_than: age } });
    expect(outcome.changed).toMatchObject([{ note: expect.stringContaining(note) }]);
  });

  it("is what watch does by itself, and the file says so", async () => {
    const { text, mapped, changed } = await cleanup("failed_only = true");
    expect(text).toContain("With [runs.cleanup]");
    expect([mapped, changed]).toMatchObject([[], [{ note: expect.stringContaining("interrupted") }]]);
    expect((await cleanup()).text).not.toContain("With [runs.cleanup]");
  });
});
