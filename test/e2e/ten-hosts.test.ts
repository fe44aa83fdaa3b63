// Ten hosts at once from the built CLI, one of which says nothing for a while.
import { writeFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { listingSchema } from "../../src/model/listing.ts";
import { describeWith } from "../support/services.ts";
import type { Cutter, Sshd } from "../support/sshd.ts";
import { startCutter, startSshd } from "../support/sshd.ts";
import { Project, outcomesOf } from "./cli.ts";

const NAMES = Array.from({ length: 10 }, (_, n) => String(n));

describeWith(["ssh"], "ten hosts", () => {
  test("are one fleet; what is on one that hangs is neither made elsewhere nor dropped, and the others go on", async () => {
    const sshds: Sshd[] = [];
    let cutter: Cutter | undefined;
    await using project = await Project.open();
    try {
      sshds.push(...(await Promise.all(NAMES.map(async () => startSshd()))));
      const [first] = sshds;
      if (first === undefined) throw new Error("no host");
      cutter = await startCutter(first.port);
      await writeFile(first.knownHostsFile, `[127.0.0.1]:${String(cutter.port)} ${first.hostKey}\n`);
      const { port: cut } = cutter;
      const tables = sshds.map(({ user, port, keyFile, knownHostsFile }, n) => {
        const target = `${user}@127.0.0.1:${String(n === 0 ? cut : port)}`;
        return `[agents.a${String(n)}.sandbox]
host = "h${String(n)}"
[agents.a${String(n)}.sandbox.ssh]
workspace_root = "${project.folder}/h${String(n)}/sandboxes"
[hosts.h${String(n)}]
ssh = { target = "${target}", identity_file = "${keyFile}", known_hosts_file = "${knownHostsFile}" }
`;
      });
      await project.config(`[sandbox]\nbackend = "ssh"\nenv = { WORD = "one" }\n${tables.join("")}`);
      const made = outcomesOf(await project.apply());
      expect(Object.values(made)).toEqual(NAMES.map(() => "create done"));
      const listed = async () => {
        const ran = await project.run(["list", "--json"]);
        const { runtimes } = listingSchema.parse(JSON.parse(ran.stdout));
        return { code: ran.code, statuses: runtimes.map(({ status }) => status), id: runtimes[0]?.object_id };
      };
      const before = await listed();
      expect(before).toMatchObject({ code: 0, statuses: NAMES.map(() => "running") });

      cutter.hang(true);
      const others = NAMES.slice(1).map(() => "running");
      expect(await listed()).toEqual({ code: 69, statuses: ["unreachable", ...others], id: null });
      cutter.hang(false);

      // The next ones find a host that hangs up instead, which is known at once.
      cutter.cutAfter(0);
      await project.edit('WORD = "one"', 'WORD = "two"');
      const plan = await project.plan();
      expect(plan).toMatchObject({ complete: false, exit_code: 69, orphans: [] });
      const result = await project.apply();
      expect(result.exit_code).toBe(69);
      expect(outcomesOf(result)).toEqual(
        Object.fromEntries(NAMES.slice(1).map((n) => [`agent/a${n}`, "update done"])),
      );
      expect(await listed()).toMatchObject({ code: 69, statuses: ["unreachable", ...others] });

      cutter.cutAfter(undefined);
      expect(await listed()).toEqual(before);
      expect(outcomesOf(await project.apply())).toEqual({ "agent/a0": "update done" });
      await project.ok("destroy", "--all", "--yes");
    } finally {
      await cutter?.[Symbol.asyncDispose]();
      await Promise.all(sshds.map(async (each) => each[Symbol.asyncDispose]()));
    }
  }, 240_000);
});
