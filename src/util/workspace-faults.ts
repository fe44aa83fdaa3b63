/** What our scripts in a canonical workspace say went wrong, as errors. */
import { SandkeepError } from "../errors.ts";
import type { BytePath } from "./byte-path.ts";
import { pathText } from "./byte-path.ts";
import { formatBytes } from "./bytes.ts";
import { SYNC_ANSWER } from "./workspace-scripts.ts";

const FAULTS: Readonly<
  Record<number, { readonly code: string; readonly why: string; readonly hint: string }>
> = {
  [SYNC_ANSWER.noRoom]: {
    code: "WORKSPACE_CANNOT_WRITE",
    why: "it could not be unpacked there, and nothing was changed",
    hint: "look at the free space there, and at who owns the workspace",
  },
  [SYNC_ANSWER.cut]: {
    code: "WORKSPACE_CUT",
    why: "it did not arrive whole, and nothing was changed",
    hint: "try again",
  },
  [SYNC_ANSWER.inTheWay]: {
    code: "WORKSPACE_IN_THE_WAY",
    why: "something there is in its way; it is not finished",
    hint: "remove what is named from the workspace there; the next sync goes on with it",
  },
  [SYNC_ANSWER.cannotRead]: {
    code: "WORKSPACE_CANNOT_READ",
    why: "something in it cannot be read, or changes at this moment",
    hint: "try again when nothing works in it, and look at who owns what is named",
  },
  [SYNC_ANSWER.noTools]: {
    code: "WORKSPACE_NO_TOOLS",
    why: "a program that this needs is missing there",
    hint: "a host needs flock (util-linux) and xargs, an image sh, tar, xargs, mv, rm and chmod",
  },
  [SYNC_ANSWER.busy]: {
    code: "WORKSPACE_BUSY",
    why: "another sync of it goes on",
    hint: "try again when it has ended",
  },
  [SYNC_ANSWER.changed]: {
    code: "WORKSPACE_CHANGED",
    why: "something there has changed since it was looked at, and nothing was moved",
    hint: "`sandkeep sync status` shows how it is now; try again when nothing works in it",
  },
  [SYNC_ANSWER.lost]: {
    code: "WORKSPACE_LOST",
    why: "it was held no longer, so that another sync might have begun",
    hint: "try again; what had arrived whole is finished there first",
  },
};

const PASSING: ReadonlySet<number> = new Set([
  SYNC_ANSWER.busy,
  SYNC_ANSWER.cut,
  SYNC_ANSWER.changed,
  SYNC_ANSWER.lost,
]);

export function failed(code: number, said: string): SandkeepError {
  const known = FAULTS[code];
  const last = said.trim().split("\n").at(-1)?.slice(0, 300) ?? "";
  const why = [known?.why ?? `exit code ${String(code)}`, last].filter((each) => each !== "").join(": ");
  const passing = PASSING.has(code);
  return new SandkeepError(`the workspace where it is kept: ${why}`, {
    code: known?.code ?? "WORKSPACE_FAILED",
    kind: passing ? "transient" : "terminal",
    blame: "backend",
    hint: known?.hint ?? "an image needs sh, tar, xargs, mv, rm and chmod",
    ...(passing ? { exitCode: 75 } : {}),
  });
}

export function cutOff(): SandkeepError {
  return new SandkeepError("what the workspace's own place tells of it was cut off", {
    code: "WORKSPACE_CUT",
    kind: "transient",
    blame: "backend",
    hint: "try again",
  });
}

export function odd(path: BytePath): SandkeepError {
  return new SandkeepError(`the workspace's own place tells of what cannot be in it: ${pathText(path)}`, {
    code: "WORKSPACE_REFUSED",
    kind: "denied",
    blame: "backend",
    hint: "look at who else can write there",
  });
}

export const TOO_LARGE = "WORKSPACE_TOO_LARGE";

export function tooLarge(most: number): SandkeepError {
  return new SandkeepError(
    `the workspace where it is kept holds more than can be told in ${formatBytes(most)}`,
    {
      code: TOO_LARGE,
      kind: "terminal",
      blame: "backend",
      hint: "take out of it there what is no part of it, such as caches and what is built",
    },
  );
}

export function tooQuiet(ms: number): SandkeepError {
  const seconds = String(Math.round(ms / 1000));
  return new SandkeepError(`the workspace's own place said nothing for ${seconds} s`, {
    code: "WORKSPACE_HANGS",
    kind: "unreachable",
    blame: "backend",
    hint: "look there for a disk or a mount that does not answer; nothing was changed",
  });
}
