import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeWithServices } from "../support/services.ts";
import type { Document } from "./cli.ts";
import { Project, actionsOf, changeOf, outcomesOf, reasonsOf } from "./cli.ts";

/** Refuses these system calls and no other. */
const without = (...names: readonly string[]): object => ({
  defaultAction: "SCMP_ACT_ALLOW",
  syscalls: [{ names, action: "SCMP_ACT_ERRNO", errnoRet: 1 }],
});
const NO_FOLDERS = without("mkdir", "mkdirat");
const NO_LINKS = without("symlink", "symlinkat");

const CONFIG = `
[sandbox]
backend = "docker"
attest = true
ready = { command = ["true"], interval = "50ms" }
[sandbox.docker]
image = "sandkeep-test/busybox:1"
seccomp = "calls.json"
[agents.work]
`;

describeWithServices("a system call filter of a file", (services) => {
  test("holds inside, is read back as it is written, and is replaced when its text changes", async () => {
    await using project = await Project.open({ docker: services().docker.host });
    const tried = async (): Promise<Record<string, boolean>> => {
      const can = async (script: string): Promise<boolean> =>
        (await project.run(["run", "--", "sh", "-c", script])).code === 0;
      return {
        folders: await can("mkdir /tmp/folder && rmdir /tmp/folder"),
        links: await can("ln -s /tmp /tmp/link && rm /tmp/link"),
      };
    };
    const shown = async (): Promise<unknown> => {
      const { observed } = (await project.json("inspect", "agent/work")) as {
        readonly observed: { readonly fields: Document };
      };
      return observed.fields["docker.seccomp"];
    };
    await project.file("calls.json", JSON.stringify(NO_FOLDERS));
    await project.config(CONFIG);
    expect(outcomesOf(await project.apply())).toEqual({ "agent/work": "create done" });
    expect(await tried()).toEqual({ folders: false, links: true });
    expect(await shown()).toBe(JSON.stringify(NO_FOLDERS));
    expect(await project.run(["plan", "--detailed-exitcode"])).toMatchObject({ code: 0 });

    // What counts is what it says: neither where the file lies nor how it is set.
    await mkdir(join(project.root, "filters"));
    await rename(join(project.root, "calls.json"), join(project.root, "filters/moved.json"));
    await project.edit("calls.json", "filters/moved.json");
    await project.file("filters/moved.json", JSON.stringify(NO_FOLDERS, null, 4));
    expect(actionsOf(await project.plan("--detailed-exitcode"))).toEqual({});

    await project.file("filters/moved.json", JSON.stringify(NO_LINKS));
    const plan = await project.plan();
    expect(changeOf(plan, "agent/work")).toMatchObject({ actions: ["recreate"], origin: "config" });
    expect(reasonsOf(plan, "agent/work")).toEqual({
      "docker.seccomp": [JSON.stringify(NO_FOLDERS), JSON.stringify(NO_LINKS)],
    });
    expect(outcomesOf(await project.apply())).toEqual({ "agent/work": "recreate done" });
    expect(await tried()).toEqual({ folders: true, links: false });
    expect(await shown()).toBe(JSON.stringify(NO_LINKS));

    // One that cannot be read makes nothing with less than was asked for, and takes nothing away.
    await rename(join(project.root, "filters/moved.json"), join(project.root, "filters/gone.json"));
    const [before] = await project.list();
    const failed = await project.apply();
    expect(failed.outcomes).toMatchObject([{ status: "failed", error: { code: "SECCOMP_UNREADABLE" } }]);
    expect(await project.list()).toMatchObject([{ object_id: before?.object_id, status: "running" }]);
    expect(await project.containers()).toHaveLength(1);
  });
});
