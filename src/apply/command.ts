import type { ExecHandle } from "../drivers/driver.ts";
import { SandkeepError } from "../errors.ts";

/** A command's exit code. When the signal fires first the command is killed, so that nothing runs on unseen. */
export async function endOf(handle: ExecHandle, signal: AbortSignal): Promise<number> {
  let stop: (() => void) | undefined;
  const cut = new Promise<never>((_resolve, reject) => {
    stop = () => {
      void handle.signal("SIGKILL").catch(() => undefined);
      reject(new SandkeepError("it did not end in time", { code: "COMMAND_TIMEOUT", kind: "transient" }));
    };
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return (await Promise.race([handle.result, cut])).exitCode;
  } finally {
    if (stop !== undefined) signal.removeEventListener("abort", stop);
  }
}
