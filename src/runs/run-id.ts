/** `20261121-051141-123-7f3a9c21`: UTC time to the millisecond, then a random part. Sorts as the runs began. */
const PATTERN = /^\d{8}-\d{6}-\d{3}-[0-9a-f]{8}$/;

export function makeRunId(now: number, randomHex: string): string {
  const [date = "", time = ""] = new Date(now).toISOString().split("T");
  const [clock = "", millis = ""] = time.replace("Z", "").split(".");
  return `${date.replaceAll("-", "")}-${clock.replaceAll(":", "")}-${millis}-${randomHex.slice(-8)}`;
}

export function isRunId(text: string): boolean {
  return PATTERN.test(text);
}

/** The random part, which tells runs of one moment apart and is the handiest to type. */
export function randomPart(runId: string): string {
  return runId.slice(runId.lastIndexOf("-") + 1);
}
