/**
 * In: one thing as it was looked at, and what is known of its fleet. Out: what is wrong with it and what is to be done,
 * or nothing. Pure: it is asked once for the report, and once more right before anything is done.
 */
import { assertNever } from "../../errors.ts";
import type { DoctorFinding } from "../../model/doctor.ts";
import { agentOfAddress } from "../../model/names.ts";
import { WHOLE_FLEET } from "../../state/holds.ts";
import { formatDuration } from "../../util/duration.ts";
import type { FleetKnowledge, Item } from "./item.ts";

/** A write or the making of a folder takes a moment; after so long nobody is at it any more. */
const UNSETTLED_MS = 10 * 60_000;
/** A mutex is touched every few seconds while somebody has it. */
const MUTEX_QUIET_MS = 60_000;
/** A watch says that it runs every minute. */
const WATCH_QUIET_MS = 10 * 60_000;

export type Judgement = Pick<DoctorFinding, "code" | "subject" | "why" | "fix" | "does">;
/** `recent`: it may be wrong, but a living process may be at it. */
export type Verdict = Judgement | "recent" | undefined;

type Of<W extends Item["what"]> = Extract<Item, { readonly what: W }>;

export function judge(item: Item, known: FleetKnowledge): Verdict {
  switch (item.what) {
    case "name":
      return judgeName(item);
    case "torn":
      return judgeTorn(item);
    case "bundle":
      return DAMAGED_BUNDLE;
    case "claim":
      return judgeClaim(item);
    case "open-run":
      return judgeOpenRun(item);
    case "run":
      return judgeRun(item, known);
    case "index":
      return judgeIndex(item);
    case "mark":
      return judgeMark(item, known);
    case "left-alone":
      return judgeLeftAlone(item);
    default:
      return assertNever(item);
  }
}

const SET_ASIDE = "it is put aside, where nothing reads it; nothing of it is lost";

const DAMAGED_BUNDLE: Judgement = {
  code: "torn-file",
  subject: null,
  why: "this bundle is not whole, so nothing can be taken out of it",
  fix: "set-aside",
  does: SET_ASIDE,
};

/** The time of the file may also lie ahead, where a clock was put back. */
function settled(ageMs: number, after: number): boolean {
  return Math.abs(ageMs) >= after;
}

const NAMES: Readonly<Record<Of<"name">["kind"], { readonly after: number; readonly told: Judgement }>> = {
  temp: {
    after: UNSETTLED_MS,
    told: {
      code: "orphaned-temp",
      subject: null,
      why: "a write that a killed process left unfinished",
      fix: "remove",
      does: "it is removed; what it was to replace is as it was",
    },
  },
  mutex: {
    after: MUTEX_QUIET_MS,
    told: {
      code: "stale-mutex",
      subject: null,
      why: "a killed process left it locked",
      fix: "unlock",
      does: "it is taken and given back, as the next writer would do",
    },
  },
  leaving: {
    after: 0,
    told: {
      code: "half-removed-run",
      subject: null,
      why: "a killed cleanup was removing this run",
      fix: "remove",
      does: "its removal is finished",
    },
  },
  staging: {
    after: 0,
    told: {
      code: "half-bundle",
      subject: null,
      why: "a killed process was making or removing this bundle",
      fix: "remove",
      does: "it is removed, once nobody else works on the fleet",
    },
  },
  foreign: {
    after: UNSETTLED_MS,
    told: {
      code: "foreign-file",
      subject: null,
      why: "nothing of this name belongs here",
      fix: "set-aside",
      does: SET_ASIDE,
    },
  },
};

function judgeName({ kind, ageMs }: Of<"name">): Verdict {
  const { after, told } = NAMES[kind];
  return settled(ageMs, after) ? told : "recent";
}

function judgeTorn({ folder, name }: Of<"torn">): Verdict {
  const why = "it is torn, or not in a form that this version reads";
  if (folder === "fleet" && name === "holds.json") {
    return {
      code: "torn-file",
      subject: null,
      why: `${why}; until a person says what was held, everything is`,
      fix: "none",
      does: "see what it held, then `sandkeep release fleet`",
    };
  }
  return { code: "torn-file", subject: null, why, fix: "set-aside", does: SET_ASIDE };
}

function judgeClaim({ role, holder }: Of<"claim">): Verdict {
  return role === "lease"
    ? {
        code: "stale-lease",
        subject: null,
        why: `held by ${holder}, which is no more`,
        fix: "release",
        does: "it is released; its version stays",
      }
    : {
        code: "stale-lock",
        subject: null,
        why: `held by ${holder}, which is no more`,
        fix: "release",
        does: "it is removed",
      };
}

function judgeOpenRun({ id, address }: Of<"open-run">): Verdict {
  return {
    code: "dead-open-run",
    subject: id,
    why: `it keeps ${address} busy, and its process is no more`,
    fix: "remove",
    does: `${address} is no longer busy by it`,
  };
}

function judgeRun(item: Of<"run">, { seen, objects }: FleetKnowledge): Verdict {
  const { id, state, address, object_id, engine, ageMs } = item;
  const lost = object_id !== null && seen.has(engine) && objects !== undefined && !objects.has(object_id);
  switch (state) {
    case "unreadable":
      if (!settled(ageMs, UNSETTLED_MS)) return "recent";
      return {
        code: "unreadable-run",
        subject: id,
        why: "its manifest is missing, torn, or not in a form that this version reads",
        fix: "set-aside",
        does: SET_ASIDE,
      };
    case "gone":
      return interrupted("dead-run", id, "it is marked running, and its process is no more");
    case "unknown":
      return lost
        ? interrupted(
            "run-without-runtime",
            id,
            `it is marked running, and its runtime ${address} is no more`,
          )
        : undefined;
    case "alive":
      return lost
        ? {
            code: "run-without-runtime",
            subject: id,
            why: `its process still runs, and its runtime ${address} is no more`,
            fix: "none",
            does: "`sandkeep runs cancel` ends it; what a living process holds is left alone",
          }
        : undefined;
    default:
      return assertNever(state);
  }
}

function interrupted(code: "dead-run" | "run-without-runtime", id: string, why: string): Judgement {
  return { code, subject: id, why, fix: "interrupt", does: "it is marked interrupted; its output stays" };
}

function judgeIndex({ lacks, differs, besides }: Of<"index">): Verdict {
  const parts = [
    ...(lacks > 0 ? [`${lacks} ended runs are not in it`] : []),
    ...(differs > 0 ? [`${differs} are told otherwise than in their manifests`] : []),
    ...(besides > 0 ? [`${besides} lines are torn, doubled, or of runs that are no more`] : []),
  ];
  if (parts.length === 0) return undefined;
  return {
    code: "index-out-of-step",
    subject: null,
    why: parts.join(", "),
    fix: "rebuild-index",
    does: "it is made anew from the manifests",
  };
}

const MARKS: Readonly<Record<Of<"mark">["mark"], string>> = {
  activity: "the time of its last use",
  deferred: "since when its disruption is put off",
  sighting: "when it was first seen",
  hold: "a hold",
};

function judgeMark(item: Of<"mark">, known: FleetKnowledge): Verdict {
  const { mark, key, of, used } = item;
  const why = used ? undefined : whyForgotten(item, known);
  if (why === undefined) return undefined;
  return {
    code: "tombstone",
    subject: key,
    why: `${MARKS[mark]} of ${of}, ${why}`,
    fix: "forget",
    does: "this entry is forgotten, and no other",
  };
}

function whyForgotten(
  { mark, of, ended }: Of<"mark">,
  { declared, objects }: FleetKnowledge,
): string | undefined {
  if (mark === "sighting")
    return objects === undefined || objects.has(of) ? undefined : "which no engine has any more";
  if (ended !== null) return `which ended at ${new Date(ended).toISOString()}`;
  if (declared === undefined || declared.addresses.has(of)) return undefined;
  if (mark !== "hold") return "which is neither declared nor there";
  // A hold may be for what is yet to come, so only the agent's leaving ends it.
  const agent = of === WHOLE_FLEET ? undefined : agentOfAddress(of);
  return agent === undefined || declared.agents.has(agent) ? undefined : `whose agent ${agent} is no more`;
}

function judgeLeftAlone({ watcher, quietMs }: Of<"left-alone">): Verdict {
  const over = watcher === "dead" || (watcher === "unknown" && settled(quietMs, WATCH_QUIET_MS));
  if (!over) return undefined;
  const silent = watcher === "dead" ? "" : `, silent for ${formatDuration(Math.abs(quietMs))}`;
  return {
    code: "tombstone",
    subject: null,
    why: `what a watch left alone that runs no more${silent}`,
    fix: "remove",
    does: "it is removed; nobody believes it any more",
  };
}
