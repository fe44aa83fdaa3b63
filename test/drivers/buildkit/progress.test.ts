import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Progress } from "../../../src/drivers/buildkit/progress.ts";

const failing = {
  vertexes: [
    { digest: "sha256:1", name: "[run 2/4] RUN x", error: 'executor failed {"running"}: exit code: 7' },
  ],
};
const objects = [
  { vertexes: [{ digest: "sha256:0", name: 'odd } " { name' }] },
  { logs: [{ vertex: "sha256:1", stream: 2, data: Buffer.from("no such tool\n").toString("base64") }] },
  failing,
];
const OTHER = "WARNING: a line in between\n";
const LAST = "ERROR: failed to solve: executor failed running\n";

/** What a client without JSON says of the same. */
const asPlain = `#1 [internal] load build definition from Dockerfile
#1 transferring dockerfile: 120B done
#1 DONE 0.0s
${OTHER}#5 [run 2/4] RUN x
#5 0.127 no such tool
#5 ERROR: executor failed {"running"}: exit code: 7
------
 > [run 2/4] RUN x:
0.127 no such tool
------
${LAST}`;

const asLines = objects.map((each) => `${JSON.stringify(each)}\n`).join(OTHER) + LAST;
const asPretty = objects.map((each) => `${JSON.stringify(each, undefined, 2)}\n`).join(OTHER) + LAST;

describe.each([
  ["as plain lines, as buildctl told it before 0.13", asPlain],
  ["one object a line, as buildctl 0.32 tells it", asLines],
  ["spread over many lines, as Debian's client tells it", asPretty],
])("progress %s", (_, text) => {
  it("tells which step failed and what it said, however the text is cut", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 200 }), (cuts) => {
        const progress = new Progress();
        let rest = text;
        for (const cut of cuts) {
          progress.push(rest.slice(0, cut));
          rest = rest.slice(cut);
        }
        progress.push(rest);
        expect(progress.failure()).toBe('[run 2/4] RUN x: executor failed {"running"}: exit code: 7');
        expect(progress.log).toBe("no such tool");
      }),
    );
  });
});

describe("which step has begun", () => {
  it.each([
    [
      "in JSON",
      `${JSON.stringify({ vertexes: [{ name: "[run 2/4] RUN : 00ff", started: "2026-01-01T00:00:00Z" }] })}\n`,
    ],
    ["in lines", "#5 [run 2/4] RUN : 00ff\n"],
  ])("is told %s", (_, text) => {
    const progress = new Progress();
    progress.push(`${JSON.stringify({ vertexes: [{ name: "[run 2/4] RUN : ee11" }] })}\n`);
    progress.push(text);
    expect([progress.hasBegun("00ff"), progress.hasBegun("ee11")]).toEqual([true, false]);
  });
});

describe("what is no progress", () => {
  it("is the last thing that a client said", () => {
    const progress = new Progress();
    progress.push("{ not json\nerror: listing workers: connection refused\n");
    expect(progress.failure()).toBe("listing workers: connection refused");
    expect(new Progress().failure()).toBe("");
  });
});
