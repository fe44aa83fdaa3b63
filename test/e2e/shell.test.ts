import { spawn } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describeWithServices } from "../support/services.ts";
import type { ProjectOptions } from "./cli.ts";
import { MAIN, Project, eventually } from "./cli.ts";

// A person at a terminal: util-linux `script` gives the CLI a real one, of which the test is the keyboard and the screen.

class Terminal implements AsyncDisposable {
  readonly #child;
  readonly #closed: Promise<number | null>;
  #screen = "";

  constructor(project: Project, command: string) {
    this.#child = spawn("script", ["-qec", command, "/dev/null"], {
      cwd: project.root,
      env: { ...project.env, TERM: "xterm", SHELL: "/bin/sh" },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#child.stdout.on("data", (chunk: Buffer) => (this.#screen += chunk.toString()));
    this.#closed = new Promise((resolve) => this.#child.once("close", (code) => resolve(code)));
  }

  type(keys: string): void {
    this.#child.stdin.write(keys);
  }

  /** Waits until the screen shows it, after what was seen before; answers everything up to there. */
  async sees(pattern: RegExp): Promise<string> {
    try {
      return await eventually(String(pattern), async () => {
        const found = pattern.exec(this.#screen);
        if (found === null) return undefined;
        const end = found.index + found[0].length;
        const seen = this.#screen.slice(0, end);
        this.#screen = this.#screen.slice(end);
        return seen;
      });
    } catch (error) {
      throw new Error(`the screen shows ${JSON.stringify(this.#screen)}`, { cause: error });
    }
  }

  ended(): Promise<number | null> {
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#closed;
  }
}

const SHELL = `${process.execPath} ${MAIN} shell`;
const CTRL_C = "\u0003";
const ESCAPE = "\u001b";
/** Some shells ask the terminal where the cursor is, or clear the line, after it. */
const PROMPT = new RegExp(`[#$] (?:${ESCAPE}\\[[0-9]*[A-Za-z])*$`);
const CTRL_D = "\u0004";

function shellTests(config: string, options: () => ProjectOptions): void {
  let project: Project;
  beforeAll(async () => {
    project = await Project.open(options());
    await project.config(config);
    await project.ok("apply", "--yes");
  });
  afterAll(async () => {
    await project[Symbol.asyncDispose]();
  });

  test("a prompt, the window's size, Ctrl-C for the inner command, and the exit code", async () => {
    const before = "stty rows 33 cols 101; stty -a | sed 's/speed/before: speed/'";
    const after =
      'code=$?; echo "left with $code"; stty -a | grep -o -- "-\\?icanon\\|-\\?echo "; exit $code';
    await using terminal = new Terminal(project, `${before}; ${SHELL}; ${after}`);
    await terminal.sees(PROMPT);
    terminal.type("stty size\r");
    await terminal.sees(/33 101[\r\n]+/);
    terminal.type("test -t 0 && test -t 1 && echo is-a-$((1))-tty\r");
    await terminal.sees(/is-a-1-tty/);
    terminal.type("sleep 100; echo code-$?\r");
    await terminal.sees(/sleep 100; echo code/);
    await new Promise((resolve) => setTimeout(resolve, 500));
    terminal.type(CTRL_C);
    await terminal.sees(PROMPT);
    terminal.type("echo still-$((40 + 2))-here\r");
    await terminal.sees(/still-42-here/);
    terminal.type("exit 7\r");
    await terminal.sees(/left with 7/);
    const modes = await terminal.sees(/(?<!-)echo /);
    expect(modes).toMatch(/(?<!-)icanon/);
    expect(await terminal.ended()).toBe(7);
  });

  test("the size follows the window", async () => {
    await using terminal = new Terminal(project, `stty rows 20 cols 70; tty; ${SHELL}`);
    const tty = /\/dev\/pts\/\d+/.exec(await terminal.sees(/\/dev\/pts\/\d+/))?.[0] ?? "";
    await terminal.sees(PROMPT);
    const resize = spawn("stty", ["-F", tty, "rows", "44", "cols", "90"]);
    expect(await new Promise((resolve) => resize.once("close", resolve))).toBe(0);
    await eventually("the new size", async () => {
      terminal.type("stty size\r");
      return /44 90/.test(await terminal.sees(/\d+ \d+[\r\n]+/)) ? true : undefined;
    });
    terminal.type(CTRL_D);
    expect(await terminal.ended()).toBe(0);
  });

  test("a command of its own, and a runtime that is woken for it", async () => {
    await project.ok("prune", "--idle", "1ms", "--yes");
    await using terminal = new Terminal(project, `${SHELL} -- sh -c 'read line; echo "got $line"; exit 5'`);
    terminal.type("hello\r");
    await terminal.sees(/got hello/);
    expect(await terminal.ended()).toBe(5);
  });
}

describe("shell on the local backend", () => {
  shellTests('[sandbox]\nbackend = "local"\n[agents.main]', () => ({}));
});

describeWithServices("shell on a real engine", (services) => {
  shellTests(
    '[sandbox]\nbackend = "docker"\nready = { command = ["true"] }\n[sandbox.docker]\nimage = "sandkeep-test/busybox:1"\n[agents.main]',
    () => ({ docker: services().docker.host }),
  );
});

describe("a confirmation at a terminal", () => {
  test("yes applies, no changes nothing, Ctrl-C leaves with 130", async () => {
    await using project = await Project.open();
    await project.config("[agents.main]");
    const answers = async (keys: string): Promise<number | null> => {
      await using terminal = new Terminal(project, `${process.execPath} ${MAIN} apply`);
      await terminal.sees(/1 change to fleet .*\?/);
      terminal.type(keys);
      return await terminal.ended();
    };
    expect(await answers("n\r")).toBe(3);
    expect(await answers("\r")).toBe(3);
    expect(await answers(CTRL_C)).toBe(130);
    expect(await project.list()).toEqual([expect.objectContaining({ status: "missing" })]);
    expect(await answers("y\r")).toBe(0);
    expect(await project.list()).toEqual([expect.objectContaining({ status: "running" })]);
  });
});
