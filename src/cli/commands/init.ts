import { access, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { randomBytes } from "node:crypto";
import { ROOT_NAMES } from "../../config/discover.ts";
import { initTemplate } from "../../config/template.ts";
import { BACKENDS } from "../../drivers/registry.ts";
import { SandkeepError, toError } from "../../errors.ts";
import { showPath } from "../../render/style.ts";
import { nearestWord } from "../../util/suggestion.ts";
import { EXIT, usageError } from "../exit-codes.ts";
import type { Invocation } from "../invocation.ts";
import { switchOption, textOption } from "../options.ts";
import { answer } from "../print.ts";

const FLEET = /^[a-z0-9][a-z0-9_-]{0,31}$/;

/** A folder's name as a fleet name: `My Repo.v2` becomes `my-repo-v2`. */
export function fleetNameOf(folder: string): string {
  const name = basename(folder)
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, "-")
    .replace(/^[^a-z0-9]+/, "")
    .slice(0, 32)
    .replace(/[-_]+$/, "");
  return name === "" ? "fleet" : name;
}

function chosenBackend(invocation: Invocation): string {
  const backend = textOption(invocation, "backend") ?? "local";
  if (BACKENDS.includes(backend)) return backend;
  const near = nearestWord(backend, BACKENDS);
  throw usageError(
    `there is no backend ${JSON.stringify(backend)}`,
    near === undefined ? `There are ${BACKENDS.join(", ")}.` : `Did you mean ${near}?`,
  );
}

async function refuseExisting(folder: string, file: string): Promise<void> {
  for (const path of new Set([file, ...ROOT_NAMES.map((name) => join(folder, name))])) {
    const exists = await access(path).then(
      () => true,
      () => false,
    );
    if (!exists) continue;
    throw new SandkeepError(`${path} exists already`, {
      code: "CONFIG_EXISTS",
      hint: "Edit it, or start over with --force.",
      exitCode: EXIT.blocked,
    });
  }
}

export async function run(invocation: Invocation): Promise<number> {
  const { globals, cwd } = invocation;
  const file = resolve(cwd, globals.file ?? "sandkeep.toml");
  const folder = dirname(file);
  const fleet = globals.fleet ?? fleetNameOf(folder);
  if (!FLEET.test(fleet)) {
    throw usageError(
      `${JSON.stringify(fleet)} cannot be a fleet name`,
      "Expected 1 to 32 small letters, digits, dashes or underscores that start with a letter or digit.",
    );
  }
  const backend = chosenBackend(invocation);
  const force = switchOption(invocation, "force");
  if (!force) await refuseExisting(folder, file);
  const fleetId = randomBytes(4).toString("hex");
  await writeFile(file, initTemplate({ fleet, fleetId, backend }), { flag: force ? "w" : "wx" }).catch(
    (error: unknown) => {
      throw new SandkeepError(`cannot write ${file}: ${toError(error).message}`, {
        code: "CONFIG_NOT_WRITTEN",
        hint: "Check the folder and its owner.",
        cause: error,
      });
    },
  );
  await answer(invocation, { file, fleet, fleet_id: fleetId, backend }, (style) =>
    [
      `Wrote ${showPath(style, file)} for fleet ${fleet}.`,
      "Next: `sandkeep explain` shows what it means, `sandkeep plan` what would be made, `sandkeep apply` makes it.",
      "",
    ].join("\n"),
  );
  return EXIT.ok;
}
