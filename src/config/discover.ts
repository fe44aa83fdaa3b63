import { lstatSync, readdirSync, realpathSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { toError } from "../errors.ts";
import { isMissing } from "../util/errno.ts";
import { type Fault, compareText } from "./document.ts";
import { formatOf } from "./parse.ts";
import { unreadable } from "./read.ts";

/** Names of a root file, the preferred one first. */
export const ROOT_NAMES = ["sandkeep.toml", "sandkeep.json5", "sandkeep.json"] as const;

export interface Discovered {
  readonly ok: true;
  /** One root file, or the fragments of a fleet folder in fixed order. Absolute, as found. */
  readonly files: readonly string[];
  /** The folder the files stand in, as found and with links resolved. */
  readonly folder: string;
  readonly root: string;
}

/** Without a file when none was found to be wrong. */
export type Discovery = Discovered | { readonly ok: false; readonly file?: string; readonly fault: Fault };

/** Finds the config: the named file or folder, or else the nearest root file from `cwd` upwards. */
export function discoverConfig(file: string | undefined, cwd: string): Discovery {
  const start = resolve(cwd);
  try {
    return file === undefined ? walkUp(start) : openNamed(resolve(start, file), start);
  } catch (thrown) {
    const path = file === undefined ? start : resolve(start, file);
    const shown = showPath(path, start);
    return { ok: false, file: shown, fault: unreadable(shown, toError(thrown)) };
  }
}

/** A path as people in `cwd` would write it: relative when it is below, else absolute. */
export function showPath(path: string, cwd: string): string {
  const near = relative(cwd, path);
  if (near === "") return ".";
  return isOutside(near) ? path : near;
}

/** True for a relative path that leaves the folder it is relative to. */
export function isOutside(path: string): boolean {
  return path === ".." || path.startsWith(`..${sep}`) || isAbsolute(path);
}

function walkUp(start: string): Discovery {
  for (let folder = start; ; folder = dirname(folder)) {
    const found = rootFileIn(folder, start);
    if (found !== undefined) return found;
    if (dirname(folder) !== folder) continue;
    const fault: Fault = {
      code: "no-config",
      message: `no ${ROOT_NAMES.join(", ")} in ${start} or any folder above`,
      hint: "run `sandkeep init` to write one, or name one with --file",
    };
    return { ok: false, fault };
  }
}

function openNamed(path: string, cwd: string): Discovery {
  if (!statSync(path).isDirectory()) return discovered([path], dirname(path));
  const found = rootFileIn(path, cwd);
  if (found !== undefined) return found;
  const names = readdirSync(path).filter((name) => !name.startsWith(".") && formatOf(name) !== undefined);
  if (names.length > 0) {
    return discovered(
      names.toSorted(compareText).map((name) => join(path, name)),
      path,
    );
  }
  const shown = showPath(path, cwd);
  const message = `the folder ${shown} holds no .toml, .json5 or .json file`;
  const hint = "name a config file, or a folder with one";
  return { ok: false, file: shown, fault: { code: "no-config", message, hint } };
}

/** The root file of one folder. What merely looks like one, such as a dangling link, is found too, and told. */
function rootFileIn(folder: string, cwd: string): Discovery | undefined {
  const present: string[] = [];
  for (const name of ROOT_NAMES) if (exists(join(folder, name))) present.push(name);
  const [name, ...others] = present;
  if (name === undefined) return undefined;
  const path = join(folder, name);
  if (others.length === 0) return discovered([path], folder);
  const fault: Fault = {
    code: "ambiguous-config",
    message: `two configs in one folder: ${present.map((each) => showPath(join(folder, each), cwd)).join(" and ")}`,
    hint: "keep one of them, or name one with --file",
  };
  return { ok: false, file: showPath(path, cwd), fault };
}

function discovered(files: readonly string[], folder: string): Discovered {
  return { ok: true, files, folder, root: realpathSync.native(folder) };
}

function exists(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (thrown) {
    if (isMissing(thrown)) return false;
    throw thrown;
  }
}
