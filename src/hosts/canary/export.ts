/** In: a report and where it is to go. Out: where it went, or why it did not: that fails no canary. */
import { appendFile, mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname } from "node:path";
import { assertNever, toError } from "../../errors.ts";
import type { CanaryReport } from "../../model/canary.ts";
import type { ResolvedFleet } from "../../model/settings.ts";
import type { Engine } from "../../reconcile.ts";
import { resolveSecret, systemSecretIo } from "../../resolve/secrets.ts";

const PATIENCE_MS = 15_000;

export async function exportReport(
  engine: Engine,
  fleet: ResolvedFleet,
  report: CanaryReport,
): Promise<{ readonly exported: string | null; readonly problem?: string }> {
  const { telemetry } = fleet;
  try {
    switch (telemetry.export) {
      case "off":
        return { exported: null };
      case "file":
        await mkdir(dirname(telemetry.file), { recursive: true, mode: 0o700 });
        await appendFile(telemetry.file, `${JSON.stringify(report)}\n`, { mode: 0o600 });
        return { exported: telemetry.file };
      case "http":
        await post(engine, fleet, telemetry, report);
        return { exported: telemetry.url };
      default:
        return assertNever(telemetry);
    }
  } catch (thrown) {
    return { exported: null, problem: `the report could not be exported: ${toError(thrown).message}` };
  }
}

type Http = Extract<ResolvedFleet["telemetry"], { export: "http" }>;

async function post(
  engine: Engine,
  fleet: ResolvedFleet,
  { url, token }: Http,
  report: CanaryReport,
): Promise<void> {
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (token !== undefined) {
    const { env } = engine;
    const io = systemSecretIo({ env, root: fleet.root, home: env["HOME"] ?? homedir() });
    const secret = await resolveSecret(token, io);
    if (secret.status === "unresolved") throw new Error(`telemetry.token: ${secret.message}`);
    headers["authorization"] = `Bearer ${secret.value}`;
  }
  const answer = await fetch(url, {
    method: "POST",
    headers,
    body: JSON.stringify(report),
    redirect: "error",
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  if (!answer.ok) throw new Error(`${new URL(url).host} answered ${String(answer.status)}`);
}
