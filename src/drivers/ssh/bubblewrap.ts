/** The real boundary on a host: what its bubblewrap shows a command. The host's own layout is looked at there. */

import { SandkeepError } from "../../errors.ts";
import type { SshSpec } from "./spec.ts";

/** Stable inside the sandbox whatever the object is called outside. */
export const SANDBOX_HOME = "/home/sandbox";

/** In front of the arguments: the host's own programs and libraries. */
const SYSTEM = `for path in /bin /sbin /lib /lib32 /lib64 /libx32; do
  if [ -L "$path" ]; then set -- --symlink "$(readlink "$path")" "$path" "$@"
  elif [ -d "$path" ]; then set -- --ro-bind "$path" "$path" "$@"; fi
done
`;

/** Succeeds where bwrap works. Not of the whole host, on which mounts come and go while it looks. */
export const TRY_BUBBLEWRAP = `
set -- true
${SYSTEM}bwrap --unshare-user-try --unshare-pid --ro-bind /usr /usr --proc /proc --dev /dev "$@"
`;

/**
 * `$1` the object's folder, `$2` the real workspace, `$3` its target, `$4` how it is bound, `$5` network, then the program
 * that goes on inside. Built from the end, since a shell adds in front. Nothing of the command's environment is in it.
 */
const BUBBLEWRAP = `
o=$1 work=$2 target=$3 bind=$4 network=$5
shift 5
set -- --bind "$o/tmp" /tmp --bind "$o/home" ${SANDBOX_HOME} "$bind" "$work" "$target" --remount-ro / --chdir / -- "$@"
names="alternatives ca-certificates group ld.so.cache ld.so.conf ld.so.conf.d localtime nsswitch.conf passwd pki ssl"
if [ "$network" = host ]; then names="$names hosts resolv.conf services protocols gai.conf"
else set -- --unshare-net "$@"; fi
for name in $names; do set -- --ro-bind-try "/etc/$name" "/etc/$name" "$@"; done
${SYSTEM}exec bwrap --unshare-user-try --unshare-pid --unshare-ipc --unshare-uts --unshare-cgroup-try --cap-drop ALL \\
  --die-with-parent --ro-bind /usr /usr --proc /proc --dev /dev --dir /run --dir /var --symlink ../tmp /var/tmp "$@"
`;

/** `writable` is for files that sandkeep itself puts into a workspace which commands may only read. */
export function sandboxOf(dir: string, workspace: string, spec: SshSpec, writable = false) {
  const readOnly = spec["workspace.access"] === "ro" && !writable;
  const bind = readOnly ? "--ro-bind" : "--bind";
  return {
    script: BUBBLEWRAP,
    args: [dir, workspace, spec["workspace.target"], bind, spec["ssh.network"]],
  };
}

export function noBubblewrap(host: string): SandkeepError {
  return new SandkeepError(`isolation = "bubblewrap" needs the program bwrap, which ${host} has not`, {
    code: "SSH_NO_BUBBLEWRAP",
    blame: "backend",
    hint: "install it there: apt-get install bubblewrap",
  });
}
