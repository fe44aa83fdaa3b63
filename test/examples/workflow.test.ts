import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { VERBS } from "../../src/cli/verbs.ts";
import { EXAMPLES } from "./example.ts";
import { readWorkflow, runLines } from "./workflow.ts";

const FILE = join(EXAMPLES, "ci/.github/workflows/sandboxes.yml");

describe("the workflow of examples/ci", () => {
  const workflow = readWorkflow(readFileSync(FILE, "utf8"));

  test("plans on pull requests, applies on merge, looks for drift at night", () => {
    expect(Object.keys(workflow.jobs)).toEqual(["plan", "apply", "drift"]);
    expect(workflow.on.pull_request.types).toEqual(["opened", "synchronize", "reopened", "closed"]);
    expect(workflow.on.schedule).toHaveLength(1);
    expect(workflow.jobs["plan"]?.if).toContain("github.event.action != 'closed'");
    expect(workflow.jobs["apply"]?.if).toContain("github.event.pull_request.merged");
  });

  test("keeps forks and rights small", () => {
    expect(workflow.permissions).toEqual({ contents: "read" });
    for (const name of ["plan", "apply"]) {
      expect(workflow.jobs[name]?.if).toContain(
        "github.event.pull_request.head.repo.full_name == github.repository",
      );
    }
    expect(workflow.jobs["apply"]?.permissions).toEqual({ contents: "read", actions: "read" });
    // Text of a pull request must not become shell text.
    for (const line of runLines(workflow)) expect(line).not.toContain("${{");
  });

  test("gives every step one thing to do, and a time limit to every job", () => {
    for (const job of Object.values(workflow.jobs)) {
      expect(job["timeout-minutes"]).toBeGreaterThan(0);
      for (const step of job.steps) {
        expect((step.run === undefined) !== (step.uses === undefined)).toBe(true);
        if (step.uses !== undefined) expect(step.uses).toMatch(/^actions\/[a-z-]+@v\d+$/);
      }
    }
  });

  test("uses verbs and flags that exist", () => {
    const lines = runLines(workflow).flatMap((text) => text.match(/\bsandkeep [a-z].*/g) ?? []);
    expect(lines.length).toBeGreaterThan(3);
    for (const line of lines) {
      const [, name = ""] = line.split(" ");
      const verb = VERBS.find((each) => each.name === name);
      expect(verb, line).toBeDefined();
      const known = [
        "--json",
        ...(verb?.options.flatMap(({ flags }) => flags.match(/--[a-z-]+/g) ?? []) ?? []),
      ];
      for (const flag of line.match(/--[a-z-]+/g) ?? []) expect(known, line).toContain(flag);
    }
  });
});
