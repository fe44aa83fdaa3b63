import type { RunManifest } from "../model/run-manifest.ts";
import type { Triage } from "../model/triage.ts";
import { formatDuration } from "../util/duration.ts";

type Told = Omit<Triage["diagnosis"], "exit_class">;
type Class = NonNullable<RunManifest["exit_class"]>;

const place = ({ address }: RunManifest): string => address ?? "";

/** What a class of ending means, and what to do next. */
const MEANINGS: Readonly<Record<Class, (run: RunManifest) => Told>> = {
  success: () => ({ what: "it succeeded", next: "there is nothing to repair" }),
  timeout: ({ timeout_ms, duration_ms }) => ({
    what: `its time was up after ${formatDuration(timeout_ms ?? duration_ms ?? 0)}`,
    next: "see in its last lines what it waited for, or give it more with --timeout",
  }),
  cancelled: () => ({ what: "somebody cancelled it", next: "`sandkeep runs rerun` runs it again" }),
  "backend-lost": ({ error }) => ({
    what: `the backend was lost while it ran: ${error?.message ?? "no more is known"}`,
    next: "look at the runtime first: the command may still run there",
  }),
  "not-started": (run) => ({
    what: `sandkeep did not begin it: ${run.error?.message ?? "no more is known"}`,
    next:
      run.address === null
        ? "put that right, and run it again"
        : `\`sandkeep explain ${place(run)}\` says more`,
  }),
  refused: ({ error, argv }) => ({
    what: `the sandbox refused to run ${argv[0] ?? "it"}: ${error?.message ?? "its last line says why"}`,
    next: "look at what the sandbox allows, and at the command's own file and its mode",
  }),
  "out-of-memory": (run) => ({
    what: "its memory ran out, and the kernel killed it",
    next:
      run.address === null
        ? "give the machine more memory, or the command less to do"
        : `\`sandkeep explain ${place(run)}\` shows the limit; raise \`memory\`, or give the command less to do`,
  }),
  "not-found": ({ argv }) => ({
    what: `it exited with 127: ${argv[0] ?? "the command"}, or a program that it calls, is not there`,
    next: "install it with `setup` or in the image, or correct its name",
  }),
  "not-executable": ({ argv }) => ({
    what: `it exited with 126: ${argv[0] ?? "the command"} is there and cannot be run; a sandbox that forbids it says the same`,
    next: "look at its mode and its first line, and at what the sandbox allows",
  }),
  signal: (run) => ({
    what: `it was ended by ${run.signal ?? "a signal"} (exit code ${String(run.exit_code)}), which nobody here sent`,
    next:
      run.signal === "SIGKILL" && run.address !== null
        ? `when nobody killed it, its memory may have run out: \`sandkeep explain ${place(run)}\` shows the limits`
        : "its last lines may tell why",
  }),
  error: ({ exit_code }) => ({
    what: `it exited with ${String(exit_code)} by itself`,
    next: "its last lines may tell why",
  }),
  interrupted: () => ({
    what: "sandkeep itself was killed while it ran, so nobody knows how it ended",
    next: "its output is kept as far as it came; in a container it may still run",
  }),
};

export function diagnose(run: RunManifest): Triage["diagnosis"] {
  const { exit_class } = run;
  if (exit_class === null)
    return { exit_class, what: "it still runs", next: "`sandkeep runs tail -f` follows it" };
  if (run.disrupted !== null && exit_class !== "success") {
    return {
      exit_class,
      what: `its sandbox was taken from it while it ran: ${run.disrupted.why}`,
      next: "`sandkeep runs rerun` runs it again; `disruption` in the config says how long a change waits for runs",
    };
  }
  return { exit_class, ...MEANINGS[exit_class](run) };
}
