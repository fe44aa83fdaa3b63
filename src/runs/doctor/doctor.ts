/**
 * In: a state directory, its fleet, and whether to put things right. Out: everything that is wrong, why, and what is (or
 * would be) done about it. What a living process holds is left alone, and nothing that anybody wrote is lost.
 */
import { relative } from "node:path";
import type { DoctorCode, DoctorFinding, DoctorReport } from "../../model/doctor.ts";
import { DOCTOR_CODES, DOCTOR_STATUSES } from "../../model/doctor.ts";
import type { EventFacts } from "../../model/recorded-event.ts";
import { engineKey } from "../../observe/engines.ts";
import { listDecisions } from "../../plan/listing.ts";
import type { Survey } from "../../plan/survey.ts";
import { survey } from "../../plan/survey.ts";
import type { Invalid } from "../../policy/fleet.ts";
import type { Engine } from "../../reconcile.ts";
import { recordEvents } from "../../state/events.ts";
import type { FleetKnowledge, Subject } from "./item.ts";
import { NOTHING_KNOWN } from "./item.ts";
import type { Judgement } from "./judge.ts";
import { judge } from "./judge.ts";
import { lookAtState } from "./look.ts";
import { mend } from "./mend.ts";

export interface DoctorRequest {
  readonly file?: string;
  /** Without a config: the fleet's name. */
  readonly fleet?: string;
  readonly fix: boolean;
  readonly dryRun: boolean;
}

interface Wrong {
  readonly subject: Subject;
  readonly judgement: Judgement;
  readonly known: FleetKnowledge;
}

/** Claims before what they guard; the index last, when all that it is made from is in order. */
const ORDER = new Map(DOCTOR_CODES.map((code, index) => [code, index]));
const rank = (code: DoctorCode): number => ORDER.get(code) ?? 0;

export async function examine(
  engine: Engine,
  request: DoctorRequest,
): Promise<{ readonly status: "examined"; readonly report: DoctorReport } | Invalid> {
  const { fix, dryRun, file, fleet } = request;
  const base = engine.stateDir;
  const now = (): number => engine.now();
  // The files first: what they remember of a runtime was there before the engines are asked.
  const look = await lookAtState(base, now);
  const seen = await survey(engine, { file, fleet, wanted: [] });
  if (seen.status === "invalid") return seen;
  const knowledge = knowledgeOf(seen);
  const { wrong, recent } = judgeAll(look.subjects, seen.fleet, knowledge);
  const findings: DoctorFinding[] = [];
  for (const { subject, judgement, known } of wrong) {
    const { item } = subject;
    const left = judgement.fix === "none";
    const untouched = { status: left ? "left" : fix ? "would_fix" : "found", error: null } as const;
    const done = fix && !dryRun ? await mend({ base, now }, subject, judgement, known) : untouched;
    findings.push({ ...judgement, fleet: item.fleet, path: relative(base, item.path), ...done });
  }
  if (fix && !dryRun && findings.length > 0) await recordEvents(seen.state, [mended(findings)], now());
  const kept = look.kept.map((each) => relative(base, each));
  const told = { fix, dry_run: dryRun, recent, kept, skipped: skippedOf(seen, knowledge) };
  return { status: "examined", report: reportOf(base, seen, findings, told) };
}

function mended(findings: readonly DoctorFinding[]): EventFacts {
  const amount = (wanted: DoctorFinding["status"]): number =>
    findings.filter(({ status }) => status === wanted).length;
  return { type: "doctor.ended", found: findings.length, fixed: amount("fixed"), failed: amount("failed") };
}

function judgeAll(
  subjects: readonly Subject[],
  fleet: string,
  knowledge: FleetKnowledge,
): { readonly wrong: readonly Wrong[]; readonly recent: number } {
  const wrong: Wrong[] = [];
  let recent = 0;
  for (const subject of subjects) {
    const known = subject.item.fleet === fleet ? knowledge : NOTHING_KNOWN;
    const judgement = judge(subject.item, known);
    if (judgement === "recent") recent += 1;
    else if (judgement !== undefined) wrong.push({ subject, judgement, known });
  }
  return {
    wrong: wrong.toSorted((a, b) => rank(a.judgement.code) - rank(b.judgement.code)),
    recent,
  };
}

function knowledgeOf(seen: Survey): FleetKnowledge {
  const complete = seen.observations.flatMap((each) => (each.status === "complete" ? [each] : []));
  const whole = complete.length > 0 && complete.length === seen.observations.length;
  const objects = complete.flatMap((each) => each.runtimes.map((runtime) => runtime.object_id));
  const addresses = [
    ...listDecisions(seen).map(({ situation }) => situation.address),
    ...complete.flatMap((each) => each.dormant.map((mark) => mark.address)),
  ];
  const agents = seen.config?.fleet.agents.map(({ name }) => name);
  return {
    seen: new Set(complete.map((each) => engineKey(each))),
    objects: whole ? new Set(objects) : undefined,
    declared:
      whole && agents !== undefined
        ? { agents: new Set(agents), addresses: new Set<string>(addresses) }
        : undefined,
  };
}

function skippedOf(seen: Survey, { objects, declared }: FleetKnowledge): string[] {
  return [
    ...(objects === undefined ? ["which runtimes are no more: not every engine could be seen"] : []),
    ...(declared === undefined && seen.config === undefined
      ? ["what is remembered of agents that are no more: there is no config to tell"]
      : []),
  ];
}

/** How many findings there are of each code, and of each status. */
export function tallied(findings: readonly DoctorFinding[]): Pick<DoctorReport, "counts" | "statuses"> {
  const counted = <K extends string>(names: readonly K[], of: (finding: DoctorFinding) => K) =>
    Object.fromEntries(names.map((name) => [name, findings.filter((each) => of(each) === name).length]));
  return {
    counts: counted(DOCTOR_CODES, ({ code }) => code),
    statuses: counted(DOCTOR_STATUSES, ({ status }) => status),
  };
}

type Told = Pick<DoctorReport, "fix" | "dry_run" | "recent" | "kept" | "skipped">;

function reportOf(base: string, seen: Survey, findings: DoctorFinding[], told: Told): DoctorReport {
  const done = (fix: DoctorFinding["fix"]): number =>
    findings.filter((each) => each.fix === fix && each.status === "fixed").length;
  const open = findings.filter(({ status }) => status !== "fixed" && status !== "changed");
  const engines = seen.observations.map(({ backend, host, ...each }) => ({
    backend,
    host,
    status: each.status === "complete" ? ("observed" as const) : ("unobserved" as const),
    message: each.status === "complete" ? null : each.message,
  }));
  const away = engines.some(({ status }) => status === "unobserved");
  return {
    ok: open.length === 0 && !away,
    state_dir: base,
    fleet: seen.fleet,
    ...told,
    findings,
    ...tallied(findings),
    engines,
    reconcile: {
      interrupted: done("interrupt"),
      indexed: done("rebuild-index"),
      unreadable: findings.flatMap(({ code, subject }) =>
        code === "unreadable-run" && subject !== null ? [subject] : [],
      ),
    },
    exit_code: open.length > 0 ? 1 : away ? 69 : 0,
  };
}
