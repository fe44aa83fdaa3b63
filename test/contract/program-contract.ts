// What the contract promises of programs that are put into a runtime.
import { Readable } from "node:stream";
import { expect, it } from "vitest";
import type { Cases } from "./harness.ts";
import { exec, listTar, sampleTar } from "./harness.ts";

export function programCases({ fleet, harness, driver }: Cases): void {
  it("places a program where commands find it, outside the workspace, and takes it away again", async (context) => {
    context.skip(driver().placeProgram === undefined, "this backend cannot");
    await using mine = fleet();
    const { objectId } = await mine.run("a");
    await driver().putFiles(objectId, "/workspace", await sampleTar());
    const before = await listTar(await driver().getFiles(objectId, "/workspace"));
    const text = Buffer.from("#!/bin/sh\necho placed\n");
    const place = async (id: string) =>
      driver().placeProgram?.(objectId, {
        id,
        name: "own-tool",
        bytes: text.length,
        content: Readable.from([text]),
      });
    const [one, two] = [await place("one"), await place("two")];
    if (one === undefined || two === undefined) throw new Error("nothing was placed");
    const env = { PATH: one.path };
    const ran = await exec(driver(), objectId, ["own-tool"], { env });
    expect([ran.exitCode, ran.stdout.toString()]).toEqual([0, "placed\n"]);
    // What it found without it is still found.
    expect((await exec(driver(), objectId, harness().commands.exit(7), { env })).exitCode).toBe(7);
    expect(await listTar(await driver().getFiles(objectId, "/workspace"))).toEqual(before);
    await one[Symbol.asyncDispose]();
    expect((await exec(driver(), objectId, ["own-tool"], { env })).exitCode).toBe(127);
    expect((await exec(driver(), objectId, ["own-tool"], { env: { PATH: two.path } })).exitCode).toBe(0);
    await two[Symbol.asyncDispose]();
  });
}
