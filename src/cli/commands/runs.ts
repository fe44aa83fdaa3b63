import { listWords, nearestWord } from "../../util/suggestion.ts";
import { usageError } from "../exit-codes.ts";
import type { CommandModule, Invocation } from "../invocation.ts";

/** One of the things `runs` can do; its module is imported only when it is done. */
interface Action {
  /** Option keys that mean something to it. */
  readonly options: string;
  /** How many runs it can be told of. */
  readonly targets: 0 | 1 | "command";
  readonly load: () => Promise<CommandModule>;
}

const WHICH = "latest latestFailed source agent session";
const BUNDLE = "output includeEnv includeIndexState includeDoctor archive";
const CLEANUP = "dryRun olderThan failedOnly allStatus source";

const ACTIONS: Readonly<Record<string, Action>> = {
  list: { options: "status limit source agent session", targets: 0, load: () => import("./runs/list.ts") },
  status: { options: "", targets: 0, load: () => import("./runs/status.ts") },
  inspect: { options: `${WHICH} tail`, targets: 1, load: () => import("./runs/inspect.ts") },
  tail: { options: `${WHICH} tail follow stream`, targets: 1, load: () => import("./runs/tail.ts") },
  open: { options: `${WHICH} pager stream`, targets: 1, load: () => import("./runs/open.ts") },
  artifacts: { options: WHICH, targets: 1, load: () => import("./runs/artifacts.ts") },
  attach: { options: WHICH, targets: 1, load: () => import("./runs/attach.ts") },
  rerun: { options: `${WHICH} bin`, targets: 1, load: () => import("./runs/rerun.ts") },
  dev: {
    options: "bin artifact image backend ttl agent source",
    targets: "command",
    load: () => import("./runs/dev.ts"),
  },
  bundle: { options: `${WHICH} ${BUNDLE} verify strict`, targets: 1, load: () => import("./runs/bundle.ts") },
  "verify-bundle": { options: "strict", targets: 1, load: () => import("./runs/verify-bundle.ts") },
  triage: {
    options: `${WHICH} tail rerun bin bundle bundleStrictVerify ${BUNDLE}`,
    targets: 1,
    load: () => import("./runs/triage.ts"),
  },
  cancel: { options: `${WHICH} grace`, targets: 1, load: () => import("./runs/cancel.ts") },
  cleanup: { options: CLEANUP, targets: 0, load: () => import("./runs/cleanup.ts") },
  clean: { options: CLEANUP, targets: 0, load: () => import("./runs/cleanup.ts") },
  "rebuild-index": { options: "", targets: 0, load: () => import("./runs/rebuild-index.ts") },
  doctor: { options: "fix dryRun", targets: 0, load: () => import("./doctor.ts") },
};

/** Options of every verb; the others belong to single actions. */
function ownOptions({ options }: Invocation): readonly string[] {
  const globals = ["file", "fleet", "stateDir", "json", "target", "logLevel", "logFormat", "color", "quiet"];
  return Object.keys(options).filter((key) => !globals.includes(key) && options[key] !== undefined);
}

function actionOf(invocation: Invocation): Action {
  const [name = "", ...targets] = invocation.args;
  const known = Object.keys(ACTIONS);
  const action = known.includes(name) ? ACTIONS[name] : undefined;
  if (action === undefined) {
    const near = nearestWord(name, known);
    const hint = near === undefined ? `There are ${listWords(known)}.` : `Did you mean ${near}?`;
    throw usageError(`runs has no action ${JSON.stringify(name)}`, hint);
  }
  const accepted = action.options.split(" ");
  const strange = ownOptions(invocation).find((key) => !accepted.includes(key));
  if (strange !== undefined) {
    const flag = `--${strange.replace(/[A-Z]/g, (char) => `-${char.toLowerCase()}`)}`;
    const holders = known.filter((each) => ACTIONS[each]?.options.split(" ").includes(strange));
    throw usageError(`runs ${name} has no ${flag}`, `It is for ${listWords(holders)}.`);
  }
  if (action.targets !== "command" && targets.length > action.targets) {
    throw usageError(
      `runs ${name} takes ${action.targets === 0 ? "no run" : "one run"}`,
      "See `sandkeep runs --help`.",
    );
  }
  return action;
}

export async function run(invocation: Invocation): Promise<number> {
  const module = await actionOf(invocation).load();
  return await module.run({ ...invocation, args: invocation.args.slice(1) });
}
