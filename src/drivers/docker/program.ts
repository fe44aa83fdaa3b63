import { Writable } from "node:stream";
import { SandkeepError } from "../../errors.ts";
import { PROGRAM_FOLDER } from "../../util/program-folder.ts";
import type { DriverDeps, PlacedProgram, Program } from "../driver.ts";
import type { Engine } from "./client.ts";
import { exec } from "./exec.ts";
import { OWN_EXEC } from "./execs.ts";
import { runOwn } from "./own-command.ts";

/** Whoever the commands run as: of a container's own folders most are root's. */
const ROOT = "0:0";
const NOWHERE = 71;
const MOST_OUTPUT = 8192;

/**
 * Most places of a hardened container are read-only, or memory that nothing may be run from: each is tried. Says where the
 * program is, and the PATH of the container's own commands.
 */
const PLACE = `
umask 022
for base in ${PROGRAM_FOLDER} /tmp /var/tmp /run /dev /opt; do
  folder=$base/.sandkeep-program-$1
  mkdir "$folder" 2>/dev/null || continue
  printf '#!/bin/sh\n' > "$folder/$2" 2>/dev/null && chmod 755 "$folder/$2" && "$folder/$2" 2>/dev/null && {
    free=$(df -Pk "$folder" 2>/dev/null | tail -n 1 | awk '{ print $4 }' 2>/dev/null)
    if [ "\${free:-$3}" -ge "$3" ]; then
      cat > "$folder/$2" && printf '%s\n%s\n' "$folder" "$PATH" && exit 0
    fi
  }
  rm -rf "$folder"
done
exit ${NOWHERE}
`;

export async function placeProgram(
  engine: Engine,
  deps: DriverDeps,
  objectId: string,
  { id, name, bytes, content }: Program,
): Promise<PlacedProgram> {
  const output = new Collector();
  const complaint = new Collector();
  const { result } = await exec(
    engine,
    deps,
    {
      objectId,
      argv: ["sh", "-c", PLACE, OWN_EXEC, id, name, String(Math.ceil(bytes / 1024) + 1)],
      env: {},
      cwd: "/",
      stdin: content,
      stdout: output,
      stderr: complaint,
    },
    { user: ROOT },
  );
  const { exitCode } = await result;
  const [folder, path] = output.text.trimEnd().split("\n");
  if (exitCode === NOWHERE) throw nowhere(bytes);
  if (exitCode !== 0 || folder === undefined || path === undefined)
    throw failed(complaint.text.trim() || `exit code ${exitCode}`);
  return {
    path: `${folder}:${path}`,
    async [Symbol.asyncDispose]() {
      await runOwn(engine, objectId, 'rm -rf -- "$1"', [folder], { user: ROOT });
    },
  };
}

function nowhere(bytes: number): SandkeepError {
  return new SandkeepError(
    `no folder of the container is writable, allows programs, and has ${bytes} bytes`,
    {
      code: "NO_PLACE_FOR_PROGRAM",
      kind: "denied",
      hint: `give it one, such as tmpfs = ["${PROGRAM_FOLDER}:exec"], or run it in a sandbox of its own with --ephemeral`,
    },
  );
}

function failed(why: string): SandkeepError {
  return new SandkeepError(`the program could not be put into the container: ${why}`, {
    code: "PROGRAM_NOT_PLACED",
    blame: "backend",
    hint: "the image needs sh, cat, mkdir, chmod and rm for that",
  });
}

class Collector extends Writable {
  text = "";

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text = (this.text + chunk.toString()).slice(-MOST_OUTPUT);
    done();
  }
}
