/**
 * Reads a tar stream along while others take its bytes. In: the chunks, which nobody trusts. Out: what each entry says of
 * itself, at once; a throw for an archive that is cut off, damaged, or could mean something else to another reader.
 */
import type { BytePath } from "./byte-path.ts";
import { bytesOf } from "./byte-path.ts";
import type { ReadHead, Said, TarKind } from "./tar-head.ts";
import { brokenTar, paddedText, paxOf, readHead, upToNul } from "./tar-head.ts";
import { TAR_BLOCK } from "./tar-header.ts";

export interface ScannedEntry {
  readonly path: BytePath;
  readonly kind: TarKind;
  readonly target: BytePath;
}

/** A header, the text after one, or nothing but zeros from here on. */
type Awaited =
  | { readonly what: "header" }
  | { readonly what: "text"; readonly of: ReadHead }
  | { readonly what: "nothing" };

/** What GNU tar would take another name from. */
const SPARSE = bytesOf("GNU.sparse.");

export class TarScan {
  readonly #what: string;
  readonly #entry: (entry: ScannedEntry) => void;
  #awaited: Awaited = { what: "header" };
  /** Bytes of what is awaited, its beginning, and how many are passed over before it. */
  #need = TAR_BLOCK;
  #held: Buffer = Buffer.alloc(0);
  #pass = 0;
  #said: Said = {};

  constructor(what: string, entry: (entry: ScannedEntry) => void) {
    this.#what = what;
    this.#entry = entry;
  }

  write(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) {
      if (this.#awaited.what === "nothing") return this.#requireZeros(chunk.subarray(at));
      const passed = Math.min(this.#pass, chunk.length - at);
      this.#pass -= passed;
      at += passed;
      const taken = chunk.subarray(at, at + this.#need - this.#held.length);
      if (taken.length === 0) return;
      at += taken.length;
      const bytes = this.#held.length === 0 ? taken : Buffer.concat([this.#held, taken]);
      if (bytes.length < this.#need) this.#held = bytes;
      else {
        this.#held = Buffer.alloc(0);
        this.#take(bytes, this.#awaited);
      }
    }
  }

  end(): void {
    if (this.#awaited.what !== "nothing") throw brokenTar(this.#what, "it was cut off");
  }

  #take(bytes: Buffer, awaited: Exclude<Awaited, { what: "nothing" }>): void {
    if (awaited.what === "text") {
      this.#say(awaited.of, bytes.subarray(0, awaited.of.size));
      [this.#awaited, this.#need] = [{ what: "header" }, TAR_BLOCK];
      return;
    }
    if (bytes[0] === 0 && bytes.every((byte) => byte === 0)) {
      this.#awaited = { what: "nothing" };
      return;
    }
    const head = readHead(bytes, this.#what);
    if ("xgLK".includes(head.type)) {
      [this.#awaited, this.#need] = [{ what: "text", of: head }, paddedText(head.size, this.#what)];
      if (this.#need === 0) throw brokenTar(this.#what, "a text in it is empty");
      return;
    }
    const { path, target, size } = { ...head, ...this.#said };
    this.#said = {};
    this.#entry({ path, kind: head.kind, target });
    // Readers do not agree on whether anything follows here.
    if (head.kind !== "file" && size !== 0) throw this.#unclear(path);
    this.#pass = Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
  }

  #say({ type }: ReadHead, text: Buffer): void {
    if (type === "L") this.#said = { ...this.#said, path: upToNul(text) };
    else if (type === "K") this.#said = { ...this.#said, target: upToNul(text) };
    else {
      const pax = paxOf(text, this.#what);
      // For everything that follows, which only some readers do.
      const forAll = type === "g" && Object.keys(pax).length > 0;
      if (forAll || text.includes(SPARSE)) throw this.#unclear(pax.path ?? "");
      if (type === "x") this.#said = { ...this.#said, ...pax };
    }
  }

  #requireZeros(rest: Buffer): void {
    if (rest.some((byte) => byte !== 0)) throw brokenTar(this.#what, "something comes after its end");
  }

  #unclear(path: BytePath): Error {
    return brokenTar(this.#what, `readers do not agree on what ${JSON.stringify(path)} in it is`);
  }
}
