import { execFileSync, spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bootstrap, header } from "../../src/remote/program.ts";
import { configNames } from "../../src/remote/ssh-config.ts";

const NONCE = "00ff00ff00ff00ff";
const WRAPPING = { nonce: NONCE, tty: false };
/** Login shells of this machine; sh and bash are always there. */
const SHELLS = ["sh", "bash", "dash", "zsh", "csh", "tcsh", "fish"].filter(
  (shell) => spawnSync("sh", ["-c", `command -v ${shell}`]).status === 0,
);

function through(shell: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  const program = { script: 'exec "$@"', args, env, onLost: "kill" } as const;
  const input = header(program, WRAPPING);
  const out = execFileSync(shell, ["-c", bootstrap(WRAPPING)], { input, stdio: ["pipe", "pipe", "ignore"] });
  const text = out.toString();
  const end = `${NONCE} x 0\n`;
  expect(text.endsWith(end)).toBe(true);
  return text.slice(text.indexOf("\n") + 1, -end.length);
}

describe.each(SHELLS)("with %s as the login shell", (shell) => {
  it("arguments arrive as they are, whatever they hold", () => {
    const texts = fc.array(fc.string({ unit: "binary", maxLength: 12 }), { maxLength: 4 });
    fc.assert(
      fc.property(texts, (list) => {
        const args = list.map((each) => Buffer.from(each.replaceAll("\0", "")).toString());
        expect(
          through(shell, ["printf", "%s\\0", "first", ...args])
            .split("\0")
            .slice(1, -1),
        ).toEqual(args);
      }),
      { numRuns: 12 },
    );
  });

  it("variables arrive as they are, and no other does", () => {
    const value = "a\n'b' \"$HOME\" \\ `id` !!";
    const lines = through(shell, ["env", "-0"], { ODD: value }).split("\0");
    expect(lines).toContain(`ODD=${value}`);
    const names = lines.filter((line) => line !== "").map((line) => line.slice(0, line.indexOf("=")));
    expect(
      names.filter((name) => !["ODD", "HOME", "PATH", "PWD", "OLDPWD", "SHLVL", "_"].includes(name)),
    ).toEqual([]);
  });
});

it("sends one line, and nothing of the data in what a login shell reads", () => {
  const text = header({ script: "a\nb", args: ["x\ny"], env: { A: "1\n2" } }, WRAPPING);
  expect(text.indexOf("\n")).toBe(text.length - 1);
  expect(bootstrap(WRAPPING)).not.toMatch(/[\\!\n]/);
});

it.each([
  ["Host build1\n User ci", "build1", true],
  ["host = build*", "BUILD1", true],
  ["Host * \n ServerAliveInterval 3", "build1", false],
  ["Host !build1 build?", "build1", false],
  ["Host other", "build1", false],
  ["Include conf.d/*", "build1", true],
  ["Match user ci", "build1", true],
  ["# Host build1", "build1", false],
])("a client config %j says something of %s: %s", (text, host, says) => {
  expect(configNames(text, host)).toBe(says);
});
