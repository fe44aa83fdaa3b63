import { watch } from "../../../controllers/watch.ts";
import { configFile, makeEngine } from "../engine.ts";
import { openHost } from "../hosts/host.ts";
import { jsonLinesHost } from "../hosts/json-lines.ts";
import { catchInterrupts } from "../interrupts.ts";
import type { Invocation } from "../invocation.ts";
import { durationOption, switchOption } from "../options.ts";

export async function run(invocation: Invocation): Promise<number> {
  const { globals, streams } = invocation;
  const interval = durationOption(invocation, "interval");
  await using host = globals.json ? jsonLinesHost(streams.stdout, Date.now) : await openHost(invocation);
  using interrupts = catchInterrupts({
    onFirst: (signal) => {
      host.clear();
      streams.stderr.write(`${signal}: finishing what is running; once more leaves at once\n`);
    },
  });
  // Nobody reads the events any more: the same as being told to stop.
  streams.stdout.once("error", () => interrupts.interrupt("SIGTERM"));
  return await watch(makeEngine(invocation, host), {
    ...configFile(invocation),
    once: switchOption(invocation, "once"),
    // 0 is how watch is told to rely on events and file changes alone.
    ...(interval === undefined ? {} : { intervalMs: interval === "off" ? 0 : interval }),
    signal: interrupts.soft,
    hardSignal: interrupts.hard,
  });
}
