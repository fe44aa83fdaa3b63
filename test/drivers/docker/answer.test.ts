import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { WholeAnswer } from "../../../src/drivers/docker/answer.ts";
import { AnswerParser } from "../../../src/drivers/docker/answer.ts";

/** Feeds the bytes in pieces of the given sizes, in turn. */
function feed(wire: Buffer, sizes: readonly number[]): WholeAnswer | undefined {
  const parser = new AnswerParser();
  for (let at = 0, turn = 0; at < wire.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    const answer = parser.push(wire.subarray(at, at + size));
    at += size;
    if (answer !== undefined) return { ...answer, rest: Buffer.concat([answer.rest, wire.subarray(at)]) };
  }
  return parser.end();
}

const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 });
const bodies = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));

function chunked(parts: readonly Buffer[]): Buffer {
  const framed = parts
    .filter((part) => part.length > 0)
    .flatMap((part) => [Buffer.from(`${part.length.toString(16)};x=y\r\n`), part, Buffer.from("\r\n")]);
  return Buffer.concat([...framed, Buffer.from("0\r\nLater: field\r\n\r\n")]);
}

describe("an answer", () => {
  it("is read whole, however it is cut and however its length is told", () => {
    fc.assert(
      fc.property(fc.array(bodies), sizes, bodies, fc.boolean(), (parts, cuts, rest, inChunks) => {
        const body = Buffer.concat(parts);
        const told = inChunks ? "Transfer-Encoding: chunked" : `content-length:${body.length}`;
        const head = Buffer.from(`HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\n${told}\r\n\r\n`);
        const wire = Buffer.concat([head, inChunks ? chunked(parts) : body, rest]);
        expect(feed(wire, cuts)).toEqual({ status: 200, body, reusable: true, rest });
      }),
    );
  });

  it("is never taken for whole before it is", () => {
    fc.assert(
      fc.property(
        fc.array(bodies, { minLength: 1 }),
        sizes,
        fc.nat(),
        fc.boolean(),
        (parts, cuts, at, inChunks) => {
          const body = Buffer.concat(parts);
          const told = inChunks ? "Transfer-Encoding: chunked" : `Content-Length: ${body.length + 1}`;
          const head = Buffer.from(`HTTP/1.1 200 OK\r\n${told}\r\n\r\n`);
          const wire = Buffer.concat([head, inChunks ? chunked(parts) : body]);
          expect(feed(wire.subarray(0, at % wire.length), cuts)).toBeUndefined();
        },
      ),
    );
  });

  it("without a length ends with its connection", () => {
    const wire = Buffer.from("HTTP/1.0 500 Internal Server Error\r\n\r\nbroken");
    expect(feed(wire, [3])).toMatchObject({ status: 500, body: Buffer.from("broken"), reusable: false });
  });

  it.each([
    ["HTTP/1.1 304 Not Modified\r\n\r\n", 304],
    ["HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n", 204],
    ["HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", 201],
  ])("%j has no body", (text, status) => {
    expect(feed(Buffer.from(text), [5])).toMatchObject({ status, body: Buffer.alloc(0), reusable: true });
  });

  it("that hands the connection over leaves what comes with it", () => {
    const wire = Buffer.from("HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nhello");
    expect(feed(wire, [wire.length])).toMatchObject({ status: 101, rest: Buffer.from("hello") });
  });

  it.each([
    "SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "HTTP/2 200\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    `HTTP/1.1 200 OK\r\nX: ${"x".repeat(70_000)}`,
  ])("that is none of HTTP/1.1 is refused", (text) => {
    expect(() => feed(Buffer.from(text), [text.length])).toThrow("cannot be read");
  });
});
