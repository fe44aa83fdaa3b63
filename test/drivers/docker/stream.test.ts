import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Demux } from "../../../src/drivers/docker/demux.ts";
import { dockerError, refusal } from "../../../src/drivers/docker/errors.ts";
import { changedAddress } from "../../../src/drivers/docker/events.ts";
import { eventIn } from "../../../src/drivers/docker/wire.ts";
import { fullReference } from "../../../src/registry/reference.ts";

const engine = (status: number, message: string) => refusal(status, Buffer.from(JSON.stringify({ message })));
const system = (code: string) => Object.assign(new Error(code), { code });
const happened = (Action: string, fleet = "team", id = "1") => ({
  Type: "container",
  Action,
  Id: "5f1e",
  Labels: { "sandkeep.fleet": fleet, "sandkeep.fleet-id": id, "sandkeep.address": "agent/work" },
});

describe("an attached stream", () => {
  it("gives every byte to its stream, however it is cut", () => {
    const frame = fc.record({ to: fc.constantFrom(1, 2), data: fc.uint8Array({ maxLength: 40 }) });
    fc.assert(
      fc.property(
        fc.array(frame),
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
        (frames, sizes) => {
          const wire = Buffer.concat(
            frames.flatMap(({ to, data }) => {
              const header = Buffer.from([to, 0, 0, 0, 0, 0, 0, 0]);
              header.writeUInt32BE(data.length, 4);
              return [header, Buffer.from(data)];
            }),
          );
          const demux = new Demux();
          const seen = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
          for (let at = 0, turn = 0; at < wire.length; turn += 1) {
            const size = sizes[turn % sizes.length] ?? 1;
            for (const { stream, data } of demux.push(wire.subarray(at, at + size))) {
              seen[stream] = Buffer.concat([seen[stream], data]);
            }
            at += size;
          }
          const expected = (to: number) =>
            Buffer.concat(frames.filter((each) => each.to === to).map(({ data }) => data));
          expect(seen.stdout).toEqual(expected(1));
          expect(seen.stderr).toEqual(expected(2));
          expect(demux.torn).toBe(false);
        },
      ),
    );
  });

  it("knows that it was cut off", () => {
    const demux = new Demux();
    expect([...demux.push(Buffer.from([1, 0, 0, 0, 0, 0, 0, 9, 65]))]).toHaveLength(1);
    expect(demux.torn).toBe(true);
  });
});

describe("a failed call", () => {
  it.each([
    [system("ENOENT"), "unreachable", "DOCKER_UNREACHABLE"],
    [system("EACCES"), "denied", "DOCKER_DENIED"],
    [system("ECONNRESET"), "unreachable", "DOCKER_CONNECTION_LOST"],
    [Object.assign(new Error("aborted"), { name: "AbortError" }), "unreachable", "DOCKER_TIMEOUT"],
    [engine(404, "No such container: a"), "not-found", "DOCKER_NOT_FOUND"],
    [engine(404, "No such image: a:1"), "terminal", "DOCKER_IMAGE_NOT_FOUND"],
    [engine(404, "network x not found"), "terminal", "DOCKER_NETWORK_NOT_FOUND"],
    [
      engine(409, 'Conflict. The container name "/a" is already in use by container b'),
      "conflict",
      "DOCKER_CONFLICT",
    ],
    [engine(500, 'the container name "a" is already in use by b'), "conflict", "DOCKER_CONFLICT"],
    [
      engine(400, "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"),
      "terminal",
      "DOCKER_CPUS",
    ],
    [engine(500, "something else"), "transient", "DOCKER_BUSY"],
    [engine(403, "no"), "denied", "DOCKER_DENIED"],
  ])("%s is %s", (thrown, kind, code) => {
    const error = dockerError(thrown, "try");
    expect(error).toMatchObject({ kind, code, cause: thrown });
    expect(error.message).toMatch(/^try: /);
    expect(error.hint).toBeTruthy();
  });
});

describe("an event", () => {
  const scope = { fleet: "team", fleet_id: "1" };
  it.each(["die", "start", "destroy", "rename", "update", "health_status: unhealthy", "pause"])(
    "%s is a change",
    (action) => {
      expect(changedAddress(happened(action), scope)).toBe("agent/work");
    },
  );
  it.each(["exec_create: sh", "exec_start: sh", "exec_die", "top", "attach", "archive-path"])(
    "%s is none",
    (action) => {
      expect(changedAddress(happened(action), scope)).toBeUndefined();
    },
  );
  it("of another fleet is none", () => {
    expect(changedAddress(happened("die", "other"), scope)).toBeUndefined();
    expect(changedAddress(happened("die", "team", "2"), scope)).toBeUndefined();
  });
  it("is told by a line of JSON, and by no other", () => {
    const { Type, Action, Id: ID, Labels } = happened("die");
    const told = JSON.stringify({ Type, Action, Actor: { ID, Attributes: Labels } });
    expect(eventIn(told)).toEqual(happened("die"));
    expect(["{", "[]"].map(eventIn)).toEqual([undefined, undefined]);
  });
});

describe("a reference to pull", () => {
  it.each([
    ["debian", "debian:latest"],
    ["reg:5000/debian", "reg:5000/debian:latest"],
    ["debian:12", "debian:12"],
    ["debian@sha256:00", "debian@sha256:00"],
  ])("%s names one image", (ref, expected) => {
    expect(fullReference(ref)).toBe(expected);
  });
});
