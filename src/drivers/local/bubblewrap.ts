/** The real boundary: the argument list of one bubblewrap sandbox, and whether bubblewrap is there at all. */
import { existsSync, lstatSync, readlinkSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { isAbsolute, join, relative, sep } from "node:path";
import { SandkeepError } from "../../errors.ts";
import { unlessMissing } from "../../util/errno.ts";
import { findProgram } from "../../util/program.ts";
import type { Bind, LocalSpec } from "./spec.ts";

/** Stable inside the sandbox whatever the object is called outside. */
export const SANDBOX_HOME = "/home/sandbox";
export const INSTALL_BUBBLEWRAP = "install it: apt-get install bubblewrap";

/** Fails closed: a runtime that asks for isolation never runs without it. */
export async function requireBubblewrap(env: Readonly<Record<string, string | undefined>>): Promise<string> {
  const found = await findProgram("bwrap", env);
  if (found !== undefined) return found;
  throw new SandkeepError('isolation = "bubblewrap" needs the program bwrap, which is not on PATH', {
    code: "LOCAL_NO_BUBBLEWRAP",
    hint: INSTALL_BUBBLEWRAP,
  });
}

export interface SandboxPlan {
  readonly spec: LocalSpec;
  /** Host folders behind the workspace, home and tmp. */
  readonly workspace: string;
  readonly home: { readonly source: string; readonly target: string };
  readonly tmp: string;
  readonly stateDir: string;
  readonly cwd: string;
}

const NAMESPACES = [
  "--unshare-user-try",
  "--unshare-pid",
  "--unshare-ipc",
  "--unshare-uts",
  "--unshare-cgroup-try",
];
/** A new session: the command can reach no terminal but one made inside the sandbox. */
const CONFINEMENT = "--cap-drop ALL --die-with-parent --new-session --ro-bind /usr /usr".split(" ");
const OWN_FOLDERS = "--proc /proc --dev /dev --dir /run --dir /var --symlink ../tmp /var/tmp".split(" ");
const ROOT_LINKS = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
const ETC = [
  "alternatives",
  "ca-certificates",
  "group",
  "ld.so.cache",
  "ld.so.conf",
  "ld.so.conf.d",
  "localtime",
  "nsswitch.conf",
  "passwd",
  "pki",
  "ssl",
];
const ETC_NETWORK = ["hosts", "resolv.conf", "services", "protocols", "gai.conf"];

/** Everything but the environment (which goes through a pipe) and the command. No value here is secret. */
export async function sandboxArguments(plan: SandboxPlan): Promise<readonly string[]> {
  const { spec } = plan;
  const etc = spec.network === "host" ? [...ETC, ...ETC_NETWORK] : ETC;
  const binds: readonly Bind[] = [
    { source: plan.tmp, target: "/tmp", mode: "rw" },
    { source: plan.home.source, target: plan.home.target, mode: "rw" },
    {
      source: plan.workspace,
      target: spec.workspace.target,
      mode: spec.workspace.access === "ro" ? "ro" : "rw",
    },
    ...spec.binds,
  ];
  return [
    ...NAMESPACES,
    ...(spec.network === "none" ? ["--unshare-net"] : []),
    ...CONFINEMENT,
    ...ROOT_LINKS.flatMap(rootEntry),
    ...etc.flatMap((name) => ["--ro-bind-try", `/etc/${name}`, `/etc/${name}`]),
    ...OWN_FOLDERS,
    ...binds.flatMap((bind) => [bind.mode === "ro" ? "--ro-bind" : "--bind", bind.source, bind.target]),
    ...(await masks(plan.stateDir, binds)),
    "--remount-ro",
    "/",
    "--chdir",
    plan.cwd,
  ];
}

/** `/bin` and its like are links into `/usr` on merged systems and folders on others. */
function rootEntry(path: string): string[] {
  if (!existsSync(path)) return [];
  return lstatSync(path).isSymbolicLink()
    ? ["--symlink", readlinkSync(path), path]
    : ["--ro-bind", path, path];
}

/** Hides the state directory wherever a bind would show it: it holds other runtimes and the fleet's records. */
async function masks(stateDir: string, binds: readonly Bind[]): Promise<readonly string[]> {
  const state = await unlessMissing(realpath(stateDir));
  if (state === undefined) return [];
  const hidden: string[] = [];
  for (const bind of binds) {
    const source = await unlessMissing(realpath(bind.source));
    const inside = source === undefined ? ".." : relative(source, state);
    if (inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside)) continue;
    const target = join(bind.target, inside);
    hidden.push("--tmpfs", target, "--remount-ro", target);
  }
  return hidden;
}
