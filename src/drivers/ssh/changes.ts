/**
 * In: a runtime on a host. Out: what its removal would destroy, told or handed out: its home, its tmp, and its workspace
 * where that goes as well. A damaged manifest is no obstacle, since what it describes may be all that is left.
 */
import { posix } from "node:path";
import type { RuntimeChanges } from "../../model/observed.ts";
import { MOST_CHANGED_PATHS } from "../../model/observed.ts";
import { hasKind } from "../../errors.ts";
import type { SalvageSource, WorkspaceFate } from "../driver.ts";
import { SANDBOX_HOME } from "./bubblewrap.ts";
import type { SshContext } from "./context.ts";
import { notFound, wholeLines } from "./errors.ts";
import { pack } from "./files.ts";
import { openRuntime } from "./runtime.ts";

/** `$@` folders. For each: bytes, files and empty folders, then its first-level names, one line each. */
const COUNT = `
export LC_ALL=C
for folder in "$@"; do
  cd -P "$folder" 2>/dev/null || { echo "T 0 0"; continue; }
  find . ! -type d -exec ls -lnd {} + 2>/dev/null | awk '{ files += 1; if (substr($1, 1, 1) == "-") bytes += $5 }
    END { printf "T %.0f %d\\n", bytes, files }'
  find . -type d -links 2 2>/dev/null | while IFS= read -r empty; do
    for each in "$empty"/* "$empty"/.[!.]* "$empty"/..?*; do if [ -e "$each" ] || [ -L "$each" ]; then continue 2; fi; done
    [ "$empty" = . ] || echo E
  done
  seen=0
  for each in * .[!.]* ..?*; do
    if [ ! -e "$each" ] && [ ! -L "$each" ]; then continue; fi
    seen=$((seen + 1)); [ "$seen" -le 40 ] || break
    case $each in *[![:print:]]*) continue;; esac
    if [ -d "$each" ] && [ ! -L "$each" ]; then printf 'P %s/\\n' "$each"; else printf 'P %s\\n' "$each"; fi
  done
done
echo END
`;

interface Own {
  readonly folder: string;
  /** Where commands find it. */
  readonly at: string;
}

async function belongings(
  context: SshContext,
  objectId: string,
  fate: WorkspaceFate,
): Promise<readonly Own[] | undefined> {
  try {
    const { dir, workspace, manifest } = await openRuntime(context, objectId);
    const target = manifest?.fields["workspace.target"];
    const own = [
      { folder: `${dir}/home`, at: SANDBOX_HOME },
      { folder: `${dir}/tmp`, at: "/tmp" },
    ];
    const goes = workspace === `${dir}/workspace` || isPending(workspace, objectId) || fate === "delete";
    if (workspace === undefined || !goes) return own;
    return [...own, { folder: workspace, at: typeof target === "string" ? target : "/workspace" }];
  } catch (thrown) {
    if (hasKind(thrown, "not-found")) return undefined;
    throw thrown;
  }
}

/** A seed that was never completed is a copy, and no work of anybody's. */
function isPending(workspace: string | undefined, objectId: string): boolean {
  return workspace?.endsWith(`/.seed-${objectId}/workspace`) === true;
}

export async function changes(
  context: SshContext,
  objectId: string,
  fate: WorkspaceFate,
): Promise<RuntimeChanges | undefined> {
  const all = await belongings(context, objectId, fate);
  if (all === undefined) return undefined;
  const args = all.map(({ folder }) => folder);
  const result = await context.connection.script({ script: COUNT, args, reads: true });
  const lines = wholeLines(result, "measure the runtime");
  let [index, bytes, files] = [-1, 0, 0];
  const paths: string[] = [];
  for (const line of lines) {
    const [kind, first = "", second = ""] = line.split(" ");
    if (kind === "T") {
      index += 1;
      bytes += count(first);
      files += count(second);
    } else if (kind === "E") files += 1;
    else if (kind === "P") paths.push(posix.join(all[index]?.at ?? "/", line.slice(2)));
  }
  return { bytes, files, deleted: 0, paths: paths.toSorted().slice(0, MOST_CHANGED_PATHS), more: false };
}

function count(text: string): number {
  const value = Number(text);
  return Number.isSafeInteger(value) && value >= 0 ? value : 0;
}

export async function salvage(
  context: SshContext,
  objectId: string,
  fate: WorkspaceFate,
): Promise<SalvageSource | undefined> {
  const all = await belongings(context, objectId, fate);
  if (all === undefined) return undefined;
  return {
    parts: all.map(({ at }) => ({ path: at, take: "below", without: [] })),
    deleted: [],
    open: async (path) => {
      const own = all.find(({ at }) => path === at || path.startsWith(`${at}/`));
      if (own === undefined) throw notFound(objectId);
      const way = posix.relative(own.at, path);
      const args = way === "" ? [posix.dirname(own.folder), posix.basename(own.folder)] : [own.folder, way];
      return pack(context, { args }, path);
    },
  };
}
