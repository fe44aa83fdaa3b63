// The scripts themselves, in a folder of this machine: with the usual programs, and where find and sha256sum tell little.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { OpenWorkspace, WorkspaceChange, WorkspaceTree } from "../../src/util/open-workspace.ts";
import type { AnswerLimits } from "../../src/util/script-workspace.ts";
import { scriptWorkspace } from "../../src/util/script-workspace.ts";
import { tarHeader, tarPadding } from "../../src/util/tar-header.ts";
import { HOLD, SYNC_ANSWER, WITHIN_HOLD } from "../../src/util/workspace-scripts.ts";

class Place implements AsyncDisposable {
  readonly #children = new Set<ReturnType<typeof spawn>>();
  readonly root: string;
  readonly path: string;

  constructor(base: string) {
    this.root = join(base, "workspace");
    this.path = join(base, "bin");
  }

  static async open(): Promise<Place> {
    const place = new Place(await mkdtemp(join(tmpdir(), "sandkeep-scripts-")));
    await mkdir(place.root);
    await mkdir(place.path);
    return place;
  }

  /** Stands in the place of a program. */
  async stub(name: string, script: string): Promise<void> {
    await writeFile(join(this.path, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(this.path, name), 0o755);
  }

  workspace(limits?: AnswerLimits): OpenWorkspace {
    const place = {
      tarOptions: "-o",
      run: async ({
        script,
        args,
        stdin,
        stdout,
      }: Parameters<Parameters<typeof scriptWorkspace>[0]["run"]>[0]) => {
        const env = { PATH: `${this.path}:${process.env["PATH"] ?? ""}` };
        const child = spawn("sh", ["-c", script, "sh", ...args], { cwd: this.root, env, detached: true });
        this.#children.add(child);
        let said = "";
        child.stderr.on("data", (text: Buffer) => (said += text.toString()));
        child.stdout.pipe(stdout, { end: false });
        child.stdin.on("error", () => undefined);
        if (stdin === undefined) child.stdin.end();
        else stdin.pipe(child.stdin);
        const closed = once(child, "close");
        await closed;
        return { code: child.exitCode ?? 1, said };
      },
      [Symbol.asyncDispose]: async () => undefined,
    };
    return scriptWorkspace(place, limits);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { pid, exitCode } of this.#children)
      if (pid !== undefined && exitCode === null) process.kill(-pid, "SIGKILL");
    await rm(join(this.root, ".."), { recursive: true, force: true, maxRetries: 5 });
  }
}

function change(path: string, text: string, rest: Partial<WorkspaceChange>): WorkspaceChange {
  return {
    expected: [],
    deleted: [],
    deletedFolders: [],
    closed: [],
    modes: [],
    async *contents(prefix) {
      const bytes = Buffer.from(text);
      const facts = { kind: "file", mode: 0o644, mtime: 0, uid: 0, gid: 0, size: bytes.length } as const;
      yield tarHeader({ ...facts, path: `${prefix}${path}` });
      yield Buffer.concat([bytes, tarPadding(bytes.length)]);
    },
    ...rest,
  };
}

const list = async (open: OpenWorkspace): Promise<WorkspaceTree> => open.list(() => undefined);

describe.each([
  ["tells signs", false],
  ["tells no signs", true],
])("where find %s", (_what, plain) => {
  it.each([
    ["another text", async (root: string) => writeFile(join(root, "file"), "else")],
    ["no file any more", async (root: string) => rm(join(root, "file"))],
    [
      "a link in a file's place",
      async (root: string) => {
        await rm(join(root, "file"));
        await symlink("other", join(root, "file"));
      },
    ],
    [
      "a link that leads elsewhere",
      async (root: string) => {
        await rm(join(root, "link"));
        await symlink("elsewhere", join(root, "link"));
      },
    ],
    ["something where nothing was", async (root: string) => writeFile(join(root, "new"), "first")],
  ])("a change that finds %s changes nothing", async (_found, meddle) => {
    await using place = await Place.open();
    if (plain) await place.stub("find", "exit 1");
    await writeFile(join(place.root, "file"), "text");
    await writeFile(join(place.root, "other"), "text");
    await symlink("line\nbreak", join(place.root, "link"));
    const open = place.workspace();
    const known = await list(open);
    const expected = ["file", "link", "new"].map((path) => [path, known.get(path)] as const);
    await meddle(place.root);
    const before = await list(open);
    const made = change("new", "new", { deleted: ["file", "link"], expected });
    await expect(open.write(made)).rejects.toMatchObject({
      code: "WORKSPACE_CHANGED",
      kind: "transient",
      exitCode: 75,
    });
    expect(await list(open)).toEqual(before);
    const again = ["file", "link", "new"].map((path) => [path, before.get(path)] as const);
    await open.write(change("new", "new", { deleted: ["file", "link"], expected: again }));
    expect((await readdir(place.root)).toSorted()).toEqual(["new", "other"]);
    expect(await readFile(join(place.root, "new"), "utf8")).toBe("new");
  });
});

it("a workspace that holds more than can be told is refused, and says what to do", async () => {
  await using place = await Place.open();
  for (let n = 0; n < 50; n += 1) await writeFile(join(place.root, `file-${String(n)}`), "");
  await expect(list(place.workspace({ most: 1_000, quiet: 60_000 }))).rejects.toMatchObject({
    code: "WORKSPACE_TOO_LARGE",
    hint: expect.stringContaining("take out"),
  });
});

it("a place that says nothing any more is not waited for", async () => {
  await using place = await Place.open();
  await place.stub("find", 'case "$*" in *mindepth*) sleep 600;; esac');
  await expect(list(place.workspace({ most: 1_000_000, quiet: 500 }))).rejects.toMatchObject({
    code: "WORKSPACE_HANGS",
    kind: "unreachable",
  });
});

describe("who holds a workspace", () => {
  const held = (root: string, script: string, ...args: readonly string[]) =>
    spawn("sh", ["-c", script, "sh", ...args], { cwd: root, stdio: ["pipe", "pipe", "ignore"] });
  const codeOf = async (child: ReturnType<typeof held>): Promise<unknown> => (await once(child, "exit"))[0];

  it("is whoever still carries a change out, though the one who held it is dead", async () => {
    await using place = await Place.open();
    const holder = held(place.root, HOLD, "5");
    await once(holder.stdout, "data");
    const script = held(place.root, `${WITHIN_HOLD}echo on; cat >/dev/null`);
    await once(script.stdout, "data");
    const gone = codeOf(holder);
    holder.stdin.end();
    expect(await gone).toBe(0);
    expect(await codeOf(held(place.root, HOLD, "0"))).toBe(SYNC_ANSWER.busy);
    const ended = codeOf(script);
    script.stdin.end();
    expect(await ended).toBe(0);
    const next = held(place.root, HOLD, "5");
    const over = codeOf(next);
    await once(next.stdout, "data");
    next.stdin.end();
    expect(await over).toBe(0);
  });

  it("is nobody that begins without one who holds it", async () => {
    await using place = await Place.open();
    expect(await codeOf(held(place.root, `${WITHIN_HOLD}echo on`))).toBe(SYNC_ANSWER.lost);
  });
});
