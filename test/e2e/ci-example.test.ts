import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Ended, EXAMPLES, Example, MAIN, execute, expectSchema } from "../examples/example.ts";
import { type Workflow, readWorkflow } from "../examples/workflow.ts";
import { describeWithServices } from "../support/services.ts";

/** Runs the shell steps of one job the way a runner does; `uses` steps are the runner's own and are left out. */
class Runner {
  readonly example: Example;
  readonly workflow: Workflow;
  readonly env: Readonly<Record<string, string | undefined>>;

  constructor(example: Example) {
    this.example = example;
    const file = join(EXAMPLES, "ci/.github/workflows/sandboxes.yml");
    this.workflow = readWorkflow(readFileSync(file, "utf8"));
    const bin = join(example.root, "bin");
    mkdirSync(bin);
    this.program(bin, "sandkeep", `exec '${process.execPath}' '${MAIN}' "$@"`);
    this.program(bin, "npm", `[ "$*" = "install --global sandkeep" ]`);
    // Stands for GitHub: one finished run, whose artifact is the plan that the plan job left.
    this.program(
      bin,
      "gh",
      `case "$1 $2" in
        "run list") echo 4711 ;;
        "run download") [ "$3" = 4711 ] && cp '${example.root}/artifact.json' plan.json ;;
        *) exit 1 ;;
      esac`,
    );
    this.env = {
      ...example.env,
      PATH: `${bin}:${process.env["PATH"] ?? ""}`,
      GITHUB_STEP_SUMMARY: join(example.root, "summary.md"),
      GITHUB_REPOSITORY: "acme/agents",
    };
  }

  private program(folder: string, name: string, body: string): void {
    writeFileSync(join(folder, name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(folder, name), 0o755);
  }

  /** The result of the job's last step, or of the first that failed. */
  async job(name: string): Promise<Ended> {
    let ended: Ended = { code: 0, stdout: "", stderr: "" };
    for (const step of this.workflow.jobs[name]?.steps ?? []) {
      if (step.run === undefined) continue;
      const args = ["--noprofile", "--norc", "-eo", "pipefail", "-c", step.run];
      const env = { ...this.env, ...step.env };
      ended = await execute("bash", args, { cwd: this.example.fleet, env });
      if (ended.code !== 0) break;
    }
    return ended;
  }

  read(name: string): string {
    return readFileSync(join(this.example.root, name), "utf8");
  }

  keepArtifact(): void {
    writeFileSync(join(this.example.root, "artifact.json"), this.read("fleet/plan.json"));
  }
}

describeWithServices("the workflow of examples/ci, step by step", (services) => {
  test("plans, applies that plan, finds drift, and refuses a stale plan", async () => {
    const { host, images } = services().docker;
    await using example = await Example.of("ci", { DOCKER_HOST: host });
    const fleet = `ex-${randomBytes(4).toString("hex")}`;
    const replaced = (text: string) =>
      text
        .replace(/^fleet {4}= ".*"$/m, `fleet = "${fleet}"`)
        .replace(/"debian:12-slim"/, `"${images.busybox}"`);
    example.rewrite(replaced);
    const runner = new Runner(example);
    try {
      const planned = await runner.job("plan");
      expect(planned.code, planned.stderr).toBe(0);
      expect(runner.read("summary.md")).toMatch(/^```\nPlan for fleet [^]*Plan: 2 to create\.\n```\n$/);
      expectSchema("plan", JSON.parse(runner.read("fleet/plan.json")));
      runner.keepArtifact();

      const applied = await runner.job("apply");
      expect(applied.code, applied.stdout + applied.stderr).toBe(0);
      expect((await runner.job("drift")).code).toBe(0);

      example.rewrite((text) => text.replace('"2GiB"', '"1GiB"'));
      expect((await runner.job("drift")).code).toBe(2);
      expectSchema("plan", JSON.parse(runner.read("fleet/drift.json")));

      // The first plan wanted to create what is there by now.
      const stale = await runner.job("apply");
      expect(stale.code, stale.stdout + stale.stderr).toBe(4);

      example.rewrite((text) => text.replace("version  = 1", "version  = 1\nflet = 1"));
      expect((await runner.job("plan")).code).toBe(78);
    } finally {
      const gone = await example.sandkeep("destroy", "--all", "--yes", "--fleet", fleet);
      expect(gone.code, gone.stderr).toBe(0);
    }
  });
});
