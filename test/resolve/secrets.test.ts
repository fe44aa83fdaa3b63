import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { SecretRef } from "../../src/model/settings.ts";
import { systemSecretIo, resolveSecret } from "../../src/resolve/secrets.ts";
import { temporaryFolder } from "../support/fleet-text.ts";

const CANARY = "s3cr3t-canary";
const PATH = process.env["PATH"];

async function read(ref: SecretRef, env: Record<string, string> = {}, folder = temporaryFolder()) {
  return resolveSecret(
    ref,
    systemSecretIo({ env: { PATH, ...env }, root: folder, home: join(folder, "home") }),
  );
}

describe("a secret", () => {
  it("comes from the environment, untouched", async () => {
    expect(await read({ env: "TOKEN" }, { TOKEN: `${CANARY}\n` })).toEqual({
      status: "resolved",
      value: `${CANARY}\n`,
    });
  });

  it.each([
    [`${CANARY}\n`, CANARY],
    [`${CANARY}\r\n`, CANARY],
    [`${CANARY}\n\n`, `${CANARY}\n`],
    [` ${CANARY} `, ` ${CANARY} `],
  ])("comes from a file without its last newline: %j", async (text, value) => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "token"), text);
    expect(await read({ file: "token" }, {}, folder)).toEqual({ status: "resolved", value });
    expect(await read({ file: join(folder, "token") })).toEqual({ status: "resolved", value });
  });

  it("comes from a file below the home", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "token"), CANARY);
    const io = systemSecretIo({ env: {}, root: "/nowhere", home: folder });
    expect(await resolveSecret({ file: "~/token" }, io)).toEqual({ status: "resolved", value: CANARY });
  });

  it("comes from a command, which runs in the root's folder without a shell", async () => {
    const folder = temporaryFolder();
    expect(await read({ command: ["printf", "%s", "$HOME;`id`"] })).toEqual({
      status: "resolved",
      value: "$HOME;`id`",
    });
    expect(await read({ command: ["pwd"] }, {}, folder)).toEqual({ status: "resolved", value: folder });
  });

  it.each<[string, SecretRef, RegExp]>([
    ["variable", { env: "MISSING" }, /MISSING is not set/],
    ["empty variable", { env: "EMPTY" }, /EMPTY is empty/],
    ["file", { file: "missing" }, /missing cannot be read \(ENOENT\)/],
    ["program", { command: ["/nonexistent/program"] }, /could not be started \(ENOENT\)/],
    ["success", { command: ["sh", "-c", `echo ${CANARY}; echo ${CANARY} >&2; exit 3`] }, /sh exited with 3/],
    ["output", { command: ["true"] }, /output of command true is empty/],
    ["text", { command: ["printf", `${CANARY}\\0`] }, /NUL/],
    ["end", { command: ["sh", "-c", `echo ${CANARY}; kill -9 $$`] }, /ended by SIGKILL/],
    ["bound", { command: ["yes", CANARY] }, /wrote more than 1 MiB/],
  ])("without a %s is unresolved, and the message keeps the value", async (_, ref, message) => {
    const found = await read(ref, { EMPTY: "" });
    expect(found).toEqual({ status: "unresolved", message: expect.stringMatching(message) });
    expect(JSON.stringify(found)).not.toContain(CANARY);
  });

  it("is not waited for longer than the limit", async () => {
    const limits: number[] = [];
    const machine = systemSecretIo({ env: { PATH }, root: temporaryFolder(), home: "/nowhere" });
    const found = await resolveSecret(
      { command: ["sh", "-c", "sleep 60"] },
      {
        ...machine,
        runCommand: (argv, timeoutMs) => {
          limits.push(timeoutMs);
          return machine.runCommand(argv, 200);
        },
      },
    );
    expect(limits).toEqual([10_000]);
    expect(found).toEqual({
      status: "unresolved",
      message: expect.stringContaining("took longer than 0.2 s"),
    });
  });

  it("gets no answer to a question", async () => {
    expect(await read({ command: ["cat"] })).toMatchObject({ status: "unresolved" });
  });
});
