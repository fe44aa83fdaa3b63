/** One connection to a host, whichever program makes it. Library types stay in the files that implement this. */
import type { Duplex, Readable, Writable } from "node:stream";

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

export type ChannelEnd =
  | { readonly kind: "exited"; readonly code: number }
  /** A signal ended the shell that would have told the command's end. */
  | { readonly kind: "killed"; readonly code: number }
  /** The connection went, or the channel was closed, before the command told how it ended. */
  | { readonly kind: "lost"; readonly why: string };

export interface Channel {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** What the transport itself was told; output may still be on its way. */
  readonly ended: Promise<ChannelEnd>;
  /** After the last of its output; `lost` also when the connection went after the word that the command ended. */
  readonly closed: Promise<ChannelEnd>;
  /** The end of its output comes a moment after the last of it. */
  readonly slowEnd?: true;
  /** Absent where only the host itself can size the terminal. */
  readonly resize?: (size: TerminalSize) => void;
  close(): void;
}

export interface Transport extends AsyncDisposable {
  readonly kind: "ssh2" | "openssh";
  /** True where the exit code of `Channel.ended` may be the transport's own. */
  readonly tellsCode: boolean;
  /** False once the connection is gone; a channel asked for then fails. */
  readonly alive: () => boolean;
  /** Lets the process end although the connection stands, or not. */
  readonly hold: (holds: boolean) => void;
  /** Throws `BUSY` when the host allows no more sessions on this connection for now. */
  open(command: string, tty: TerminalSize | undefined): Promise<Channel>;
  forward(socket: string): Promise<Forwarded>;
}

/** A stream to a unix socket of the host. */
export interface Forwarded {
  readonly stream: Duplex;
  /** False where nobody knows yet whether the host reached the socket: a stream that ends without a word did not. */
  readonly proven: boolean;
}

/** Code of the error for a socket that the host did not reach, or may not. */
export const NOT_FORWARDED = "SSH_FORWARD";

/** Code of the error for a session that the host refused because there are too many. */
export const BUSY = "SSH_BUSY";
