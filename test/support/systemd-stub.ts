// Hosts that keep limits and hosts that cannot, each a real sshd with mounts of its own. No machine that runs the tests has
// a systemd that was booted, so what keeps the limits is a stub: real control groups, and files in place of what the kernel
// would say of them.
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, copyFile, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Sshd } from "./sshd.ts";
import { startSshd } from "./sshd.ts";

const run = promisify(execFile);
const STUB = join(import.meta.dirname, "systemd-stub");

/** `$1` the server's folder; what is mounted is gone with its last process. */
const MOUNT_GROUPS = `
# To mount it anew would set its options for the whole machine.
at=$(awk '$3 == "cgroup2" && $4 ~ /^rw/ { print $2; exit }' /proc/mounts)
if [ -n "$at" ]; then mount --bind "$at" "$1/cgroup"; else mount -t cgroup2 none "$1/cgroup"; fi || exit 1
`;

const WITH_GROUPS = `${MOUNT_GROUPS}
mount --bind "$1/sys" /sys/fs/cgroup || exit 1
shift
exec "$@"
`;

const CLEAR = `${MOUNT_GROUPS}
cd "$1/cgroup" || exit 1
[ -d "$2" ] || exit 0
echo 1 >"$2/cgroup.kill"
n=0
while [ -d "$2" ] && [ "$n" -lt 300 ]; do
  find "$2" -depth -type d -exec rmdir {} + 2>/dev/null
  n=$((n + 1)); [ ! -d "$2" ] || sleep 0.1
done
[ ! -d "$2" ]
`;

export interface LimitingSshd extends Sshd {
  /** What the stub is told by a file, see there. */
  stub(what: "absent" | "forgets" | "astray" | "lingers", is: boolean): Promise<void>;
  /** Kinds of limits that the account's systemd may set. */
  delegate(controllers: string): Promise<void>;
  /** What the control group of a runtime's slice says. */
  read(objectId: string, file: string): Promise<string>;
  write(objectId: string, file: string, text: string): Promise<void>;
  /** Names of the slices there are. */
  slices(): Promise<string[]>;
}

export async function startLimitingSshd(): Promise<LimitingSshd> {
  const place = `sandkeep-stub-${randomBytes(6).toString("hex")}`;
  const sshd = await startSshd(
    [],
    async (dir) => {
      const bin = join(dir, "bin");
      for (const each of [bin, join(dir, "cgroup"), join(dir, "sys", place)])
        await mkdir(each, { recursive: true });
      for (const name of await readdir(STUB)) {
        await copyFile(join(STUB, name), join(bin, name));
        await chmod(join(bin, name), 0o755);
      }
      await writeFile(join(bin, "place"), place);
      await writeFile(join(bin, "lingers"), "");
      await writeFile(join(dir, "sys", "cgroup.controllers"), "cpu memory pids\n");
      await writeFile(join(dir, "sys", place, "cgroup.controllers"), "cpu memory pids\n");
      return [`SetEnv HOME=${join(dir, "home")} PATH=${bin}:/usr/local/bin:/usr/bin:/bin`];
    },
    (dir) => ["unshare", "--mount", "sh", "-c", WITH_GROUPS, "sh", dir],
  );
  const bin = join(sshd.dir, "bin");
  const slices = join(sshd.dir, "sys", place, "sandkeep.slice");
  const fileOf = (objectId: string, file: string): string => join(slices, `sandkeep-${objectId}.slice`, file);
  return {
    ...sshd,
    stub: async (what, is) => (is ? writeFile(join(bin, what), "") : rm(join(bin, what), { force: true })),
    delegate: async (controllers) =>
      writeFile(join(sshd.dir, "sys", place, "cgroup.controllers"), `${controllers}\n`),
    read: async (objectId, file) => (await readFile(fileOf(objectId, file), "utf8")).trim(),
    write: async (objectId, file, text) => writeFile(fileOf(objectId, file), `${text}\n`),
    slices: async () => readdir(slices).catch(() => []),
    async [Symbol.asyncDispose]() {
      await run("unshare", ["--mount", "sh", "-c", CLEAR, "sh", sshd.dir, place]);
      await sshd[Symbol.asyncDispose]();
    },
  };
}

/** A host on which no systemd of the account answers, whatever the machine that runs the test has. */
export async function startSshdAlone(): Promise<Sshd> {
  const hide = 'mkdir -p /run/user && mount -t tmpfs none /run/user || exit 1; exec "$@"';
  return startSshd([], undefined, () => ["unshare", "--mount", "sh", "-c", hide, "sh"]);
}
