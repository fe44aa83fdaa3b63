/**
 * In: a stage. Out: what the agent changed and what stands against applying it. It reads the two trees, each entry's
 * signs first and contents only where these differ, and changes nothing.
 */
import { timingSafeEqual } from "node:crypto";
import { SandkeepError } from "../errors.ts";
import type { BytePath } from "../util/byte-path.ts";
import { joinBytes } from "../util/byte-path.ts";
import { errnoOf } from "../util/errno.ts";
import type { Tree } from "../util/file-tree.ts";
import { chunksOf, entryAt, lookAt, readTree } from "../util/file-tree.ts";
import { FolderHandle, inParent } from "../util/folder-handle.ts";
import type { Difference } from "./compare.ts";
import { compare } from "./compare.ts";
import type { ConflictLooks } from "./conflicts.ts";
import type { StageIndex } from "./index-file.ts";
import { readIndex } from "./index-file.ts";
import { unreadable } from "./fault.ts";
import type { Stage } from "./stage.ts";

/** The two trees, open. */
export interface Trees extends Disposable {
  readonly real: FolderHandle;
  readonly mine: FolderHandle;
}

export function openTrees({ meta, tree }: Stage): Trees {
  const real = openRoot(meta.source, "workspace");
  try {
    const mine = openRoot(tree, "agent's copy of the workspace");
    return {
      real,
      mine,
      [Symbol.dispose]() {
        mine[Symbol.dispose]();
        real[Symbol.dispose]();
      },
    };
  } catch (thrown) {
    real[Symbol.dispose]();
    throw thrown;
  }
}

function openRoot(path: string, what: string): FolderHandle {
  try {
    return FolderHandle.open(path);
  } catch (cause) {
    const gone = errnoOf(cause) === "ENOENT" || errnoOf(cause) === "ENOTDIR";
    throw new SandkeepError(`the ${what}, ${path}, ${gone ? "is gone" : "cannot be read"}`, {
      code: "STAGE_TREE_GONE",
      hint: "bring the folder back; the stage is kept meanwhile",
      cause,
    });
  }
}

export interface StageSurvey {
  readonly index: StageIndex;
  readonly mine: Tree;
  readonly differences: readonly Difference[];
}

export async function surveyStage(stage: Stage, trees: Trees, known?: StageIndex): Promise<StageSurvey> {
  const index = known ?? (await readIndex(stage.index));
  const mine = await readTree(stage.tree, stage.skip).catch((thrown: unknown) => {
    throw unreadable(stage.tree, thrown);
  });
  try {
    const differences = compare(index, mine, {
      real: (path) => (stage.skip(path) ? undefined : entryAt(trees.real, path)),
      sameContents: (path) => sameContents(trees, path),
    });
    return { index, mine, differences };
  } catch (thrown) {
    throw unreadable(stage.meta.source, thrown);
  }
}

/** Whether a file of both trees holds the same bytes; the sizes are known to be equal. */
function sameContents({ real, mine }: Trees, path: BytePath): boolean {
  const same = inParent(real, path, (a, name) =>
    inParent(mine, path, (b) => {
      const [left, right] = [chunksOf(a, name), chunksOf(b, name)];
      for (;;) {
        const [one, other] = [left.next(), right.next()];
        if (one.done === true || other.done === true) return one.done === other.done;
        if (one.value.length !== other.value.length || !timingSafeEqual(one.value, other.value)) return false;
      }
    }),
  );
  return same === true;
}

/** What conflicts are found with. */
export function conflictLooks({ real }: Trees, { skip }: Stage): ConflictLooks {
  return {
    real: (path) => entryAt(real, path),
    realBelow: (path) => {
      const below: BytePath[] = [];
      const go = (folder: FolderHandle, at: BytePath): void => {
        for (const name of folder.names()) {
          const each = joinBytes(at, name);
          below.push(each);
          // What is no part of the workspace stands in the way all the same, as one.
          if (skip(each) || lookAt(folder, name)?.kind !== "folder") continue;
          using child = folder.child(name);
          if (child !== undefined) go(child, each);
        }
      };
      inParent(real, path, (parent, name) => {
        using folder = parent.child(name);
        if (folder !== undefined) go(folder, path);
      });
      return below;
    },
  };
}
