/**
 * What a process sees of its own confinement, read with nothing but a POSIX shell's built-ins, so that the smallest
 * image will do. The shell is the image's: this finds engines that do not keep their word, not images that lie.
 */
import { capabilitiesIn } from "./linux-capabilities.ts";

/** Prints each file below a line with its name. With `names` as `$1` also the tables of users and groups. */
export const LOOK = `
show() {
  [ -r "$1" ] || return 0
  printf '@%s\\n' "$1"
  while IFS= read -r line || [ -n "$line" ]; do printf '%s\\n' "$line"; done < "$1"
}
below() {
  for name in memory.limit_in_bytes memory.memsw.limit_in_bytes pids.max cpu.cfs_quota_us cpu.cfs_period_us memory.max memory.swap.max cpu.max; do
    show "$1/$name"
  done
}
for file in status mountinfo limits net/route net/ipv6_route net/dev; do show "/proc/self/$file"; done
for file in attr/apparmor/current attr/current; do show "/proc/self/$file" 2> /dev/null; done
[ "$1" = names ] && { show /etc/passwd; show /etc/group; }
for place in /sys/class/net/*; do show "$place/flags"; done
for place in "" /memory /pids /cpu /cpu,cpuacct; do below "/sys/fs/cgroup$place"; done
[ -r /proc/self/cgroup ] || exit 0
while IFS=: read -r id list path; do
  [ "$path" = / ] && continue
  case "$id$list" in 0) below "/sys/fs/cgroup$path" ;; *) below "/sys/fs/cgroup/$list$path" ;; esac
done < /proc/self/cgroup
exit 0
`;

/**
 * Tries to write: `$1` is a name that nothing has, the rest are places whose mounts already say that they are
 * read-only. What is made against all expectation is taken away again. One word a place.
 */
export const TRY_WRITES = `
name=$1
shift
for place in "$@"; do
  if [ -d "$place" ]; then
    if (: > "\${place%/}/$name") 2>/dev/null; then rm -f "\${place%/}/$name"; echo written; else echo refused; fi
  elif [ -e "$place" ]; then
    if (: >> "$place") 2>/dev/null; then echo written; else echo refused; fi
  else
    echo absent
  fi
done
exit 0
`;

/**
 * Tries to reach an address that is reserved for documentation and belongs to nobody. Silent where the image has
 * no tool for it; the routing table has the word then.
 */
export const TRY_CONNECT = `
command -v nc > /dev/null 2>&1 || exit 0
LC_ALL=C nc -w 1 203.0.113.1 9 < /dev/null 2>&1 && echo connected
exit 0
`;

export interface Mount {
  readonly target: string;
  readonly type: string;
  readonly readOnly: boolean;
}

/** Everything that a look found; what the image did not let it read is absent. */
export class Inside {
  readonly #files: ReadonlyMap<string, readonly string[]>;

  constructor(output: string) {
    const files = new Map<string, string[]>();
    let current: string[] = [];
    for (const line of output.split("\n")) {
      if (line.startsWith("@/")) files.set(line.slice(1), (current = []));
      else current.push(line);
    }
    this.#files = files;
  }

  file(path: string): readonly string[] | undefined {
    return this.#files.get(path)?.filter((line) => line.trim() !== "");
  }

  /** A line of `/proc/self/status`, without its name. */
  status(name: string): string | undefined {
    const line = this.file("/proc/self/status")?.find((each) => each.startsWith(`${name}:`));
    return line?.slice(name.length + 1).trim();
  }

  /** The profile of a process here and, in brackets, its mode; older kernels say it where others tell their own kind. */
  appArmor(): string | undefined {
    const own = this.file("/proc/self/attr/apparmor/current") ?? [];
    return (own[0] ?? this.file("/proc/self/attr/current")?.[0])?.trim();
  }

  /** Every capability that a process here has or could get. */
  capabilities(): readonly string[] | undefined {
    const masks = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map((name) => this.status(name));
    if (masks[2] === undefined || masks[3] === undefined) return undefined;
    return [...new Set(masks.flatMap((mask) => (mask === undefined ? [] : capabilitiesIn(mask))))].toSorted();
  }

  /** In the order in which they were mounted: of several at one place the last one counts. */
  mounts(): readonly Mount[] | undefined {
    return this.file("/proc/self/mountinfo")?.flatMap((line) => {
      const [own = "", its = ""] = line.split(" - ");
      const [, , , , target, options] = own.split(" ");
      const [type, , all] = its.split(" ");
      if (target === undefined || options === undefined || type === undefined) return [];
      const flags = [...options.split(","), ...(all ?? "").split(",")];
      return [{ target: unescaped(target), type, readOnly: flags.includes("ro") }];
    });
  }

  /** The value of a cgroup's file; the deepest place that has it is the process's own. */
  cgroup(...names: readonly string[]): string | undefined {
    const found = [...this.#files.keys()]
      .filter((path) => path.startsWith("/sys/fs/cgroup") && names.some((name) => path.endsWith(`/${name}`)))
      .toSorted((a, b) => b.length - a.length)[0];
    return found === undefined ? undefined : this.file(found)?.[0]?.trim();
  }

  /** Ways out: routes, and interfaces besides the loopback that are up. */
  waysOut(): readonly string[] | undefined {
    const dev = this.file("/proc/self/net/dev");
    const route = this.file("/proc/self/net/route");
    if (dev === undefined || route === undefined) return undefined;
    const links = dev
      .flatMap((line) => /^\s*([^\s:|]+):/.exec(line)?.[1] ?? [])
      .filter((name) => name !== "lo");
    const up = links.filter((name) => this.#isUp(name));
    const routes = [
      ...route.slice(1).map((line) => line.split(/\s+/)[0] ?? ""),
      ...(this.file("/proc/self/net/ipv6_route") ?? []).map((line) => line.trim().split(/\s+/).at(-1) ?? ""),
    ].filter((name) => name !== "lo" && name !== "");
    return [...new Set([...up, ...routes])].toSorted();
  }

  /** Kernels put tunnels that are down into every network namespace; where that cannot be read they count as up. */
  #isUp(name: string): boolean {
    const flags = this.file(`/sys/class/net/${name}/flags`)?.[0];
    return flags === undefined || (Number(flags) & 1) === 1;
  }

  /** Soft and hard limit of a row of `/proc/self/limits`; Infinity for none. */
  limit(title: string): readonly [soft: number, hard: number] | undefined {
    const row = this.file("/proc/self/limits")?.find((line) => line.startsWith(`${title} `));
    const [soft, hard] = row?.slice(title.length).trim().split(/\s+/) ?? [];
    if (soft === undefined || hard === undefined) return undefined;
    return [limitValue(soft), limitValue(hard)];
  }

  /** The number that a name has in `/etc/passwd` or `/etc/group`; numbers stand for themselves. */
  numberOf(name: string, table: "passwd" | "group"): number | undefined {
    if (/^\d+$/.test(name)) return Number(name);
    const row = this.file(`/etc/${table}`)?.find((line) => line.startsWith(`${name}:`));
    const number = row?.split(":")[2];
    return number === undefined ? undefined : Number(number);
  }
}

function limitValue(text: string): number {
  return text === "unlimited" ? Infinity : Number(text);
}

/** The kernel writes spaces and their like as `\\040`. */
function unescaped(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCodePoint(Number.parseInt(code, 8)));
}
