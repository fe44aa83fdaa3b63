// Generated from config.schema.json by schemas/generate.ts.

/**
 * sandkeep.toml: what one fleet should be.
 */
export interface SandkeepConfig {
  /**
   * Version of this format: 1.
   */
  version: 1;
  /**
   * Name of the fleet; on the label of everything it owns.
   */
  fleet: string;
  /**
   * Random id that tells this fleet from others of the same name; written by init.
   */
  fleet_id?: string;
  /**
   * More config files, as globs relative to the root config's folder.
   */
  include?: string[];
  /**
   * Start of the names of everything made.
   */
  name_prefix?: string;
  sandbox?: Sandbox;
  /**
   * The agents of this fleet, by name.
   */
  agents?: {
    [k: string]: Agent;
  };
  /**
   * Places backends connect to, by name.
   */
  hosts?: {
    [k: string]: {
      /**
       * How the host is reached over SSH.
       */
      ssh?: {
        /**
         * Where to: "user@host:port", or an alias of ~/.ssh/config.
         */
        target: string;
        /**
         * File with the private key. Without it the agent's keys, then those in ~/.ssh.
         */
        identity_file?: string;
        /**
         * The private key itself, from { env }, { file } or { command }.
         */
        identity?:
          | {
              /**
               * Variable of sandkeep's own environment that holds the value.
               */
              env: string;
            }
          | {
              /**
               * File that holds the value; one trailing newline is dropped.
               */
              file: string;
            }
          | {
              /**
               * Program and arguments that print the value, such as ["pass", "npm"]. No shell.
               *
               * @minItems 1
               */
              command: [string, ...string[]];
            };
        /**
         * File with an OpenSSH user certificate for the key.
         */
        certificate_file?: string;
        /**
         * The user certificate itself, from { env }, { file } or { command }.
         */
        certificate?:
          | {
              /**
               * Variable of sandkeep's own environment that holds the value.
               */
              env: string;
            }
          | {
              /**
               * File that holds the value; one trailing newline is dropped.
               */
              file: string;
            }
          | {
              /**
               * Program and arguments that print the value, such as ["pass", "npm"]. No shell.
               *
               * @minItems 1
               */
              command: [string, ...string[]];
            };
        /**
         * File with the keys this host may show. ~/.ssh/known_hosts without it.
         */
        known_hosts_file?: string;
        /**
         * Lines of a known_hosts file, instead of a file.
         */
        known_hosts?: string;
        /**
         * false also talks to a host whose key nobody knows; a changed key is refused all the same, and no known_hosts file is written to.
         */
        strict_host_key?: boolean;
        /**
         * Hosts to go through, such as "ci@bastion:22"; the same keys and known hosts count for them.
         */
        jump?: string;
        /**
         * auto is the built-in client, and the system's ssh where certificates, a host CA or an alias need it.
         */
        transport?: "auto" | "ssh2" | "openssh";
      };
      /**
       * Docker endpoint: "unix:///path" (of the host itself where it has an ssh table), "tcp://host:port" or "ssh://user@host".
       */
      docker?: string;
      /**
       * Podman endpoint: "unix:///path", "tcp://host:port" or "ssh://user@host/path/podman.sock".
       */
      podman?: string;
      /**
       * Certificates for a tcp:// endpoint.
       */
      tls?: {
        /**
         * File with the certificate authority of the engine.
         */
        ca: string;
        /**
         * File with this client's certificate.
         */
        cert: string;
        /**
         * File with this client's private key.
         */
        key: string;
        /**
         * Name the engine's certificate is for, if not the host's.
         */
        server_name?: string;
      };
      /**
       * Facts about the host, for people and for choosing hosts.
       */
      labels?: {
        [k: string]: string;
      };
      /**
       * Most sandboxes this host may hold; beyond that nothing new is made there.
       */
      max_runtimes?: number;
      /**
       * Which Compose is at home there. `host inspect` lists its projects as foreign; they are never touched.
       */
      compose?: "docker compose" | "podman-compose";
      /**
       * Less free than this on a disk that sandboxes or engines are on is told. Such as "10GiB".
       */
      disk_min_free?: string | number;
      /**
       * Less available memory than this is told. Such as "2GiB".
       */
      memory_min_free?: string | number;
      /**
       * More stale things than this are told.
       */
      max_stale?: number;
      /**
       * Whether nothing new is made there while one of these limits is passed. Nothing is ever removed for it.
       */
      back_pressure?: boolean;
      /**
       * What of others counts as a sandbox there: `host reap` may remove it once it is old.
       */
      adopt?: {
        /**
         * Folders on the host in which other tools keep sandboxes, such as "/tmp/sandboxer".
         */
        roots?: string[];
        /**
         * Names, as globs, of folders that are sandboxes: directly below a root or a workspace_root.
         */
        directories?: string[];
        /**
         * Names, as globs, of containers that are sandboxes.
         */
        containers?: string[];
        /**
         * Labels of containers that are sandboxes; the value is a glob, and "*" takes any.
         */
        labels?: {
          [k: string]: string;
        };
      };
    };
  };
  /**
   * Networks that this fleet makes, watches and removes, by name.
   */
  networks?: {
    [k: string]: {
      /**
       * How the engine makes it: bridge.
       */
      driver?: "bridge";
      /**
       * Whether the engine lets nothing off it.
       */
      internal?: boolean;
      /**
       * Its addresses, such as "10.88.0.0/24"; without it the engine chooses.
       */
      subnet?: string;
      /**
       * The engine's own address in the subnet.
       */
      gateway?: string;
      /**
       * Options of the driver, such as { "com.docker.network.driver.mtu" = "1400" }.
       */
      options?: {
        [k: string]: string;
      };
      /**
       * What may leave the network; everything else is denied.
       */
      egress?: {
        /**
         * Hosts that may be reached: "pypi.org", "*.npmjs.org", "10.0.0.5:5432". Ports 80 and 443 unless said.
         */
        allow: string[];
        /**
         * Image the gate runs in; it must hold node 16 or newer.
         */
        image: string;
      };
    };
  };
  /**
   * Limits on what one apply may remove.
   */
  guards?: {
    /**
     * A plan that removes more orphans than this needs --max-destroy. "off" disables.
     */
    max_destroy?: number | "off";
    /**
     * Whether a config without any agent may remove everything.
     */
    allow_empty?: boolean;
  };
  /**
   * In which steps a change of the config or of an image reaches the sandboxes that are replaced for it, or changed in place while they run. New ones, folders, and what only goes back to what the config says, wait for nobody.
   */
  rollout?: {
    /**
     * How many sandboxes may be replaced, or changed in place while they run, at the same time, over all engines. "off" leaves it to the engines.
     */
    max_parallel?: number | "off";
    /**
     * How many sandboxes of those replaced or changed in place for one cause go first, while the others wait for their success. "off" lets all begin at once.
     */
    canary?: number | "off";
    /**
     * Whether a failure keeps those from being begun that wait for it. A failed replacement brings the old one back; a failed change in place is not taken back. false only keeps the order.
     */
    pause_on_failure?: boolean;
  };
  /**
   * How watch works.
   */
  watch?: {
    /**
     * How often everything is looked at again, such as "5m".
     */
    resync?: string;
    /**
     * How many things watch works on at once, 1 to 64.
     */
    workers?: number;
    /**
     * How long files must be quiet before an edit counts, such as "500ms".
     */
    debounce?: string;
  };
  /**
   * When hosts are tried.
   */
  canary?: {
    /**
     * How often watch tries each host, at most once a resync, such as "1h". "off": never.
     */
    every?: string | "off" | 0;
    /**
     * Which hosts watch tries; "local" is this machine. Without it those that the agents use.
     *
     * @minItems 1
     */
    hosts?: [string, ...string[]];
  };
  /**
   * Where reports about hosts go.
   */
  telemetry?: {
    /**
     * Where each canary's report goes, beside the state directory.
     */
    export?: "off" | "file" | "http";
    /**
     * File that reports are appended to, one line of JSON each.
     */
    file?: string;
    /**
     * Where reports are sent to, as JSON in a POST.
     */
    url?: string;
    /**
     * Sent with them as a bearer token, from { env }, { file } or { command }.
     */
    token?:
      | {
          /**
           * Variable of sandkeep's own environment that holds the value.
           */
          env: string;
        }
      | {
          /**
           * File that holds the value; one trailing newline is dropped.
           */
          file: string;
        }
      | {
          /**
           * Program and arguments that print the value, such as ["pass", "npm"]. No shell.
           *
           * @minItems 1
           */
          command: [string, ...string[]];
        };
  };
  /**
   * What is recorded of each run.
   */
  runs?: {
    /**
     * What `runs cleanup` removes when no flag says otherwise; with this table `watch` does it, too.
     */
    cleanup?: {
      /**
       * Runs that ended this long ago may go, such as "7d". "off" goes by no age.
       */
      older_than?: string | "off" | 0;
      /**
       * Whether runs that succeeded stay.
       */
      failed_only?: boolean;
      /**
       * Only runs that this one asked for: cli, task, canary, …; all for every.
       */
      source?: string;
    };
    /**
     * What is kept of what a run leaves in its workspace, as globs relative to it, such as "out/**".
     */
    artifacts?: string[];
    /**
     * How much is kept of the artifacts of a run; what does not fit is left out. Such as "256MiB".
     */
    max_artifacts?: string | number;
    /**
     * How long the sandbox of a `run --ephemeral` may outlive whoever started it, or stays with --keep. Such as "1h".
     */
    ephemeral_ttl?: string;
    /**
     * How much is kept of each stream of a run; beyond it the oldest goes. Such as "64MiB".
     */
    max_log?: string | number;
  };
  /**
   * What may be applied of the changes that sandboxes with writes = "staged" collect.
   */
  stage?: {
    /**
     * Paths and globs below the workspace whose changes are applied after each run without asking.
     */
    auto_apply?: string[];
    /**
     * Paths and globs below the workspace that are never applied; an apply that has one is refused. By default what makes git run something: config, hooks, info, commondir and worktrees of every .git folder.
     */
    deny?: string[];
    /**
     * The most that the files of one apply may hold, such as "64MiB", or "unlimited"; by default "1GiB".
     */
    max_bytes?: string | number | "unlimited";
    /**
     * Whether changes of paths that git ignores are shown and applied, or stay in the stage.
     */
    git_ignored?: "include" | "exclude";
  };
  /**
   * Which tools may be used, for every agent.
   */
  tools?: {
    /**
     * Which tools sandboxed sessions may use.
     */
    sandbox?: {
      /**
       * Tools that may be used; names, globs and groups. Without it, all.
       */
      allow?: string[];
      /**
       * Tools that may not be used. Deny wins over allow.
       */
      deny?: string[];
      /**
       * Tools added to the allowed ones.
       */
      also_allow?: string[];
    };
    /**
     * Running outside the sandbox.
     */
    elevated?: {
      /**
       * Whether commands may ask to run outside the sandbox.
       */
      enabled?: boolean;
      /**
       * Who may ask, by channel: { chat = ["alice"] }.
       */
      allow_from?: {
        [k: string]: string[];
      };
    };
    /**
     * Names for lists of tools, usable in every list.
     */
    groups?: {
      [k: string]: string[];
    };
  };
  /**
   * How this fleet handles secrets.
   */
  secrets?: {
    /**
     * Key for the fingerprints that tell a rotated secret. Give one when several machines apply this fleet.
     */
    key?:
      | {
          /**
           * Variable of sandkeep's own environment that holds the value.
           */
          env: string;
        }
      | {
          /**
           * File that holds the value; one trailing newline is dropped.
           */
          file: string;
        }
      | {
          /**
           * Program and arguments that print the value, such as ["pass", "npm"]. No shell.
           *
           * @minItems 1
           */
          command: [string, ...string[]];
        };
  };
}
/**
 * Defaults for the sandboxes of every agent.
 */
export interface Sandbox {
  /**
   * Which sessions are sandboxed: none, all but main, or all.
   */
  mode?: "off" | "non-main" | "all";
  /**
   * How many sandboxes: one a session, one an agent, or one for all.
   */
  scope?: "session" | "agent" | "shared";
  /**
   * Where sandboxes live, such as "local", "docker", "podman" or "ssh".
   */
  backend?: "local" | "docker" | "podman" | "ssh" | "buildkit";
  /**
   * Which of [hosts] the backend connects to; "local" is this machine.
   */
  host?: string;
  /**
   * Whether changes reach the workspace at once or after review.
   */
  writes?: "direct" | "staged";
  /**
   * Whether apply makes sandboxes, or their first use does.
   */
  provision?: "eager" | "on-use";
  /**
   * Whether sandboxes are kept from being removed.
   */
  protect?: boolean;
  /**
   * Whether limits, mounts, network and privileges of a new sandbox are also checked by commands inside it.
   */
  attest?: boolean;
  /**
   * Shell lines run once in a new sandbox, before it is used.
   */
  setup?: string[];
  /**
   * Variables of every command.
   */
  env?: {
    [k: string]: string;
  };
  /**
   * Variables whose values are looked up when a command runs: { env }, { file } or { command }.
   */
  secrets?: {
    [k: string]:
      | {
          /**
           * Variable of sandkeep's own environment that holds the value.
           */
          env: string;
          /**
           * Who gets it: commands that are run, the setup of a new sandbox, the main program of a container (docker.command). Run and setup by default; on buildkit run alone, since setup lines are cached there.
           *
           * @minItems 1
           */
          for?: ["run" | "setup" | "command", ...("run" | "setup" | "command")[]];
        }
      | {
          /**
           * File that holds the value; one trailing newline is dropped.
           */
          file: string;
          /**
           * Who gets it: commands that are run, the setup of a new sandbox, the main program of a container (docker.command). Run and setup by default; on buildkit run alone, since setup lines are cached there.
           *
           * @minItems 1
           */
          for?: ["run" | "setup" | "command", ...("run" | "setup" | "command")[]];
        }
      | {
          /**
           * Program and arguments that print the value, such as ["pass", "npm"]. No shell.
           *
           * @minItems 1
           */
          command: [string, ...string[]];
          /**
           * Who gets it: commands that are run, the setup of a new sandbox, the main program of a container (docker.command). Run and setup by default; on buildkit run alone, since setup lines are cached there.
           *
           * @minItems 1
           */
          for?: ["run" | "setup" | "command", ...("run" | "setup" | "command")[]];
        };
  };
  /**
   * The folder the agent works on.
   */
  workspace?: {
    /**
     * Folder the agent works on, relative to the root config's folder.
     */
    source?: string;
    /**
     * Whether commands see the workspace, and may change it.
     */
    access?: "none" | "ro" | "rw";
    /**
     * Where the workspace appears; also the working directory.
     */
    target?: string;
    /**
     * Of a workspace that is copied to another machine: copied once, or also brought up to date before each run, which is refused where both sides changed a file.
     */
    sync?: "seed" | "before-run";
    /**
     * What such a copy leaves out beside what .sandkeepignore names: nothing, or what git ignores.
     */
    ignore?: "off" | "gitignore";
  };
  /**
   * How to tell that a new sandbox is ready. In a container it takes the place of the image's HEALTHCHECK. Without it, and without a HEALTHCHECK, a container counts as ready once its program has run for 2 s (0.5 s where sandkeep only keeps it open), and a folder, here or over ssh, at once. One that the config changes in place has to run on for as long, and is then asked again.
   */
  ready?: {
    /**
     * Program that exits with 0 once the sandbox is ready. No shell.
     *
     * @minItems 1
     */
    command: [string, ...string[]];
    /**
     * How long it may take, such as "30s".
     */
    timeout?: string;
    /**
     * Pause between attempts, the first of which is made at once, such as "1s".
     */
    interval?: string;
  };
  /**
   * When a step of making a sandbox is given up.
   */
  timeouts?: {
    /**
     * How long the pull of an image may take, such as "15m".
     */
    fetch?: string;
    /**
     * How long the copy of a workspace to a new sandbox may take.
     */
    seed?: string;
    /**
     * How long all setup lines of a new sandbox may take together.
     */
    setup?: string;
  };
  /**
   * What may leave the sandbox; everything else is denied. Gives it a network of its own.
   */
  egress?: {
    /**
     * Hosts that may be reached: "pypi.org", "*.npmjs.org", "10.0.0.5:5432". Ports 80 and 443 unless said.
     */
    allow?: string[];
    /**
     * Image the gate runs in; it must hold node 16 or newer. Without it, the sandbox's own image.
     */
    image?: string;
  };
  /**
   * When unused sandboxes are removed.
   */
  prune?: {
    /**
     * Unused for this long, a sandbox is removed until its next use. "off" keeps it.
     */
    idle?: string | "off" | 0;
    /**
     * Older than this, a sandbox is made anew. "off" keeps it.
     */
    max_age?: string | "off" | 0;
  };
  /**
   * When sandboxes in use may be replaced.
   */
  disruption?: {
    /**
     * When a sandbox in use may be replaced: at once, when idle, or only by hand.
     */
    when?: "now" | "idle" | "never";
    /**
     * How long `when = "idle"` waits before it replaces anyway. "off" waits on.
     */
    max_wait?: string | "off" | 0;
  };
  /**
   * What is kept of the files written in a sandbox before it is removed or replaced.
   */
  salvage?: {
    /**
     * Whether a bundle of what was written inside is kept before a sandbox is removed or replaced; unattended: unless a person asked for it with recreate or destroy.
     */
    when?: "off" | "unattended" | "always";
    /**
     * Paths and globs of what is kept, each with all that is below it; everything by default.
     *
     * @minItems 1
     */
    include?: [string, ...string[]];
    /**
     * Paths and globs of what is not kept, such as caches.
     */
    exclude?: string[];
    /**
     * The most one bundle may hold, such as "1GiB", or "unlimited".
     */
    max_bytes?: string | number | "unlimited";
    /**
     * What to do about more: leave the sandbox as it is, or leave out what does not fit.
     */
    oversize?: "fail" | "truncate";
    /**
     * Newest bundles kept of one sandbox, or "all".
     */
    keep?: number | "all";
    /**
     * Older bundles give way to a new one of the same sandbox. "off" keeps them.
     */
    max_age?: string | "off" | 0;
  };
  docker?: ContainerSettings;
  podman?: ContainerSettings1;
  /**
   * Settings of the local backend.
   */
  local?: {
    /**
     * none is no security boundary; bubblewrap gives private mounts, processes and network.
     */
    isolation?: "none" | "bubblewrap";
    /**
     * Whether commands see a home of their own or the user's.
     */
    home?: "own" | "user";
    /**
     * Whether commands reach the network. Takes isolation to enforce.
     */
    network?: "none" | "host";
    /**
     * Paths to mount under isolation: "source:target[:ro|rw]". Agents add to the defaults.
     */
    binds?: string[];
    /**
     * Folders that bind sources must lie in, besides the workspace.
     */
    allowed_roots?: string[];
    /**
     * Rules that are broken on purpose: the rule's name, and the reason why it must be.
     */
    break_glass?: {
      /**
       * Why it must be: binds of system paths such as /etc or /run.
       */
      bind_source_system?: string;
      /**
       * Why it must be: binds of folders that hold credentials, such as ~/.ssh.
       */
      bind_source_credentials?: string;
      /**
       * Why it must be: a bind of an engine's socket, which is root on its machine.
       */
      bind_source_engine_socket?: string;
      /**
       * Why it must be: binds onto paths that belong to the runtime, such as /etc.
       */
      bind_target_reserved?: string;
    };
  };
  /**
   * Settings of the ssh backend.
   */
  ssh?: {
    /**
     * Folder on the host that sandboxes are kept in, such as "~/sandboxes".
     */
    workspace_root?: string;
    /**
     * none is no security boundary; bubblewrap gives private mounts, processes and network.
     */
    isolation?: "none" | "bubblewrap";
    /**
     * Whether commands reach the network. Takes isolation to enforce.
     */
    network?: "none" | "host";
    /**
     * Memory that all of a sandbox's commands have together, such as "2GiB". Limits take systemd's user manager and cgroup v2 on the host.
     */
    memory?: string | number;
    /**
     * CPU time that all of a sandbox's commands have together, in cores, such as 1.5.
     */
    cpus?: number;
    /**
     * Most processes of all of a sandbox's commands at once, or "unlimited".
     */
    pids?: number | "unlimited";
    /**
     * What becomes of a command whose connection is lost: kill ends it, keep leaves it, both with an unknown outcome; reattach takes it up again within four minutes, or ends it.
     */
    on_disconnect?: "kill" | "keep" | "reattach";
  };
  /**
   * Settings of the buildkit backend.
   */
  buildkit?: {
    /**
     * The BuildKit worker: "tcp://host:port", "unix:///path", "docker://" (the one in a Docker Engine) or "ssh://user@host", where host can be a name in [hosts]. Required by this backend.
     */
    endpoint?: string;
    /**
     * Image that commands run in, such as "debian:12-slim". Required by this backend.
     */
    image?: string;
    /**
     * Who decides which image that is: missing (the worker, by what it holds or its registry has), pin (sandkeep.lock), track (the registry, asked at each plan and command). What pin and track say is built from by its digest.
     */
    image_policy?: "missing" | "pin" | "track";
    /**
     * Whether commands reach the network: none, or the worker's own.
     */
    network?: "none" | "default";
    /**
     * Path of the buildctl to use. Without it, buildctl or docker buildx as found on PATH.
     */
    buildctl_path?: string;
    /**
     * Most commands of this machine on the endpoint at once.
     */
    max_parallel?: number;
    /**
     * Most commands that wait for their turn on the endpoint; more are refused.
     */
    queue_capacity?: number;
    /**
     * Certificates for a tcp:// endpoint, or one of docker://host:port.
     */
    tls?: {
      /**
       * File with the certificate authority of the worker.
       */
      ca: string;
      /**
       * File with this client's certificate.
       */
      cert: string;
      /**
       * File with this client's private key.
       */
      key: string;
      /**
       * Name the worker's certificate is for, if not the endpoint's.
       */
      server_name?: string;
    };
    /**
     * How much of the worker's cache `apply`, `watch` and `prune --cache` leave.
     */
    cache?: {
      /**
       * What the worker's cache has not used for this long is removed, such as "7d".
       */
      max_age?: string;
      /**
       * The oldest of the worker's cache beyond this size is removed, such as "10GiB".
       */
      max_size?: string | number;
    };
  };
}
/**
 * Settings of the docker backend.
 */
export interface ContainerSettings {
  /**
   * Image to run, such as "debian:12-slim". Required by this backend.
   */
  image?: string;
  /**
   * When to fetch the image: missing (only when the engine lacks it), pin (by sandkeep.lock), track (follow the registry), never.
   */
  image_policy?: "missing" | "pin" | "track" | "never";
  /**
   * Main program of the container. Without it sandkeep keeps the container alive.
   *
   * @minItems 1
   */
  command?: [string, ...string[]];
  /**
   * User the container runs as, such as "1000:1000".
   */
  user?: string;
  /**
   * Working directory of commands.
   */
  workdir?: string;
  /**
   * Paths of the engine's machine to mount: "source:target[:ro|rw]". Agents add to the defaults.
   */
  binds?: string[];
  /**
   * Network to join: "none", "bridge", a network of [networks], or the name of one that exists.
   */
  network?: string;
  /**
   * Memory limit, such as "2GiB".
   */
  memory?: string | number;
  /**
   * Memory and swap together, such as "4GiB", or "unlimited".
   */
  memory_swap?: string | number | "unlimited";
  /**
   * CPU limit in cores, such as 1.5.
   */
  cpus?: number;
  /**
   * Most processes at once, or "unlimited".
   */
  pids?: number | "unlimited";
  /**
   * Resource limits by name, such as { nofile = 4096 } or { nofile = { soft = 1024, hard = 4096 } }.
   */
  ulimits?: {
    [k: string]:
      | number
      | {
          /**
           * Limit a process starts with.
           */
          soft: number;
          /**
           * Limit a process may raise itself to.
           */
          hard: number;
        };
  };
  /**
   * Memory-backed folders, such as "/tmp:size=64m".
   */
  tmpfs?: string[];
  /**
   * Whether the image's own files are read-only.
   */
  read_only_root?: boolean;
  /**
   * Linux capabilities to take away; "ALL" takes all.
   */
  cap_drop?: string[];
  /**
   * System call filter: "default", "unconfined", or a profile file.
   */
  seccomp?: string;
  /**
   * AppArmor profile of the engine's machine.
   */
  apparmor?: string;
  /**
   * Name servers.
   */
  dns?: string[];
  /**
   * Lines of /etc/hosts: "name:ip".
   */
  extra_hosts?: string[];
  /**
   * GPUs to give: "all", a count such as "1", or "device=0,1".
   */
  gpus?: string;
  /**
   * Whether a small init reaps processes and forwards signals.
   */
  init?: boolean;
  /**
   * Whether programs may gain no privileges.
   */
  no_new_privileges?: boolean;
  /**
   * When the engine restarts the container by itself.
   */
  restart?: "no" | "on-failure" | "unless-stopped" | "always";
  /**
   * Labels of your own; names must not start with "sandkeep.".
   */
  labels?: {
    [k: string]: string;
  };
  /**
   * How long a stop may take before the container is killed, such as "10s".
   */
  stop_timeout?: string;
  /**
   * Folders that bind sources must lie in, besides the workspace.
   */
  allowed_roots?: string[];
  /**
   * Whether user must be a number other than 0; a name could be root's in some image.
   */
  forbid_root?: boolean;
  /**
   * Rules that are broken on purpose: the rule's name, and the reason why it must be.
   */
  break_glass?: {
    /**
     * Why it must be: binds of system paths such as /etc or /run.
     */
    bind_source_system?: string;
    /**
     * Why it must be: binds of folders that hold credentials, such as ~/.ssh.
     */
    bind_source_credentials?: string;
    /**
     * Why it must be: a bind of an engine's socket, which is root on its machine.
     */
    bind_source_engine_socket?: string;
    /**
     * Why it must be: binds onto paths that belong to the runtime, such as /etc.
     */
    bind_target_reserved?: string;
    /**
     * Why it must be: network = "host".
     */
    network_host?: string;
    /**
     * Why it must be: joining another container's network namespace.
     */
    network_container?: string;
    /**
     * Why it must be: running without a system call filter.
     */
    seccomp_unconfined?: string;
    /**
     * Why it must be: running without an AppArmor profile.
     */
    apparmor_unconfined?: string;
  };
}
/**
 * Settings of the podman backend: the keys of docker.
 */
export interface ContainerSettings1 {
  /**
   * Image to run, such as "debian:12-slim". Required by this backend.
   */
  image?: string;
  /**
   * When to fetch the image: missing (only when the engine lacks it), pin (by sandkeep.lock), track (follow the registry), never.
   */
  image_policy?: "missing" | "pin" | "track" | "never";
  /**
   * Main program of the container. Without it sandkeep keeps the container alive.
   *
   * @minItems 1
   */
  command?: [string, ...string[]];
  /**
   * User the container runs as, such as "1000:1000".
   */
  user?: string;
  /**
   * Working directory of commands.
   */
  workdir?: string;
  /**
   * Paths of the engine's machine to mount: "source:target[:ro|rw]". Agents add to the defaults.
   */
  binds?: string[];
  /**
   * Network to join: "none", "bridge", a network of [networks], or the name of one that exists.
   */
  network?: string;
  /**
   * Memory limit, such as "2GiB".
   */
  memory?: string | number;
  /**
   * Memory and swap together, such as "4GiB", or "unlimited".
   */
  memory_swap?: string | number | "unlimited";
  /**
   * CPU limit in cores, such as 1.5.
   */
  cpus?: number;
  /**
   * Most processes at once, or "unlimited".
   */
  pids?: number | "unlimited";
  /**
   * Resource limits by name, such as { nofile = 4096 } or { nofile = { soft = 1024, hard = 4096 } }.
   */
  ulimits?: {
    [k: string]:
      | number
      | {
          /**
           * Limit a process starts with.
           */
          soft: number;
          /**
           * Limit a process may raise itself to.
           */
          hard: number;
        };
  };
  /**
   * Memory-backed folders, such as "/tmp:size=64m".
   */
  tmpfs?: string[];
  /**
   * Whether the image's own files are read-only.
   */
  read_only_root?: boolean;
  /**
   * Linux capabilities to take away; "ALL" takes all.
   */
  cap_drop?: string[];
  /**
   * System call filter: "default", "unconfined", or a profile file.
   */
  seccomp?: string;
  /**
   * AppArmor profile of the engine's machine.
   */
  apparmor?: string;
  /**
   * Name servers.
   */
  dns?: string[];
  /**
   * Lines of /etc/hosts: "name:ip".
   */
  extra_hosts?: string[];
  /**
   * GPUs to give: "all", a count such as "1", or "device=0,1".
   */
  gpus?: string;
  /**
   * Whether a small init reaps processes and forwards signals.
   */
  init?: boolean;
  /**
   * Whether programs may gain no privileges.
   */
  no_new_privileges?: boolean;
  /**
   * When the engine restarts the container by itself.
   */
  restart?: "no" | "on-failure" | "unless-stopped" | "always";
  /**
   * Labels of your own; names must not start with "sandkeep.".
   */
  labels?: {
    [k: string]: string;
  };
  /**
   * How long a stop may take before the container is killed, such as "10s".
   */
  stop_timeout?: string;
  /**
   * Folders that bind sources must lie in, besides the workspace.
   */
  allowed_roots?: string[];
  /**
   * Whether user must be a number other than 0; a name could be root's in some image.
   */
  forbid_root?: boolean;
  /**
   * Rules that are broken on purpose: the rule's name, and the reason why it must be.
   */
  break_glass?: {
    /**
     * Why it must be: binds of system paths such as /etc or /run.
     */
    bind_source_system?: string;
    /**
     * Why it must be: binds of folders that hold credentials, such as ~/.ssh.
     */
    bind_source_credentials?: string;
    /**
     * Why it must be: a bind of an engine's socket, which is root on its machine.
     */
    bind_source_engine_socket?: string;
    /**
     * Why it must be: binds onto paths that belong to the runtime, such as /etc.
     */
    bind_target_reserved?: string;
    /**
     * Why it must be: network = "host".
     */
    network_host?: string;
    /**
     * Why it must be: joining another container's network namespace.
     */
    network_container?: string;
    /**
     * Why it must be: running without a system call filter.
     */
    seccomp_unconfined?: string;
    /**
     * Why it must be: running without an AppArmor profile.
     */
    apparmor_unconfined?: string;
  };
}
export interface Agent {
  /**
   * Sessions that exist from the start; without it, "main".
   *
   * @minItems 1
   */
  sessions?: [string, ...string[]];
  sandbox?: Sandbox1;
  tools?: Tools;
}
/**
 * What differs from [sandbox] for this agent.
 */
export interface Sandbox1 {
  /**
   * Which sessions are sandboxed: none, all but main, or all.
   */
  mode?: "off" | "non-main" | "all";
  /**
   * How many sandboxes: one a session, one an agent, or one for all.
   */
  scope?: "session" | "agent" | "shared";
  /**
   * Where sandboxes live, such as "local", "docker", "podman" or "ssh".
   */
  backend?: "local" | "docker" | "podman" | "ssh" | "buildkit";
  /**
   * Which of [hosts] the backend connects to; "local" is this machine.
   */
  host?: string;
  /**
   * Whether changes reach the workspace at once or after review.
   */
  writes?: "direct" | "staged";
  /**
   * Whether apply makes sandboxes, or their first use does.
   */
  provision?: "eager" | "on-use";
  /**
   * Whether sandboxes are kept from being removed.
   */
  protect?: boolean;
  /**
   * Whether limits, mounts, network and privileges of a new sandbox are also checked by commands inside it.
   */
  attest?: boolean;
  /**
   * Shell lines run once in a new sandbox, before it is used.
   */
  setup?: string[];
  /**
   * Variables of every command.
   */
  env?: {
    [k: string]: string;
  };
  /**
   * Variables whose values are looked up when a command runs: { env }, { file } or { command }.
   */
  secrets?: {
    [k: string]:
      | {
          /**
           * Variable of sandkeep's own environment that holds the value.
           */
          env: string;
          /**
           * Who gets it: commands that are run, the setup of a new sandbox, the main program of a container (docker.command). Run and setup by default; on buildkit run alone, since setup lines are cached there.
           *
           * @minItems 1
           */
          for?: ["run" | "setup" | "command", ...("run" | "setup" | "command")[]];
        }
      | {
          /**
           * File that holds the value; one trailing newline is dropped.
           */
          file: string;
          /**
           * Who gets it: commands that are run, the setup of a new sandbox, the main program of a container (docker.command). Run and setup by default; on buildkit run alone, since setup lines are cached there.
           *
           * @minItems 1
           */
          for?: ["run" | "setup" | "command", ...("run" | "setup" | "command")[]];
        }
      | {
          /**
           * Program and arguments that print the value, such as ["pass", "npm"]. No shell.
           *
           * @minItems 1
           */
          command: [string, ...string[]];
          /**
           * Who gets it: commands that are run, the setup of a new sandbox, the main program of a container (docker.command). Run and setup by default; on buildkit run alone, since setup lines are cached there.
           *
           * @minItems 1
           */
          for?: ["run" | "setup" | "command", ...("run" | "setup" | "command")[]];
        };
  };
  /**
   * The folder the agent works on.
   */
  workspace?: {
    /**
     * Folder the agent works on, relative to the root config's folder.
     */
    source?: string;
    /**
     * Whether commands see the workspace, and may change it.
     */
    access?: "none" | "ro" | "rw";
    /**
     * Where the workspace appears; also the working directory.
     */
    target?: string;
    /**
     * Of a workspace that is copied to another machine: copied once, or also brought up to date before each run, which is refused where both sides changed a file.
     */
    sync?: "seed" | "before-run";
    /**
     * What such a copy leaves out beside what .sandkeepignore names: nothing, or what git ignores.
     */
    ignore?: "off" | "gitignore";
  };
  /**
   * How to tell that a new sandbox is ready. In a container it takes the place of the image's HEALTHCHECK. Without it, and without a HEALTHCHECK, a container counts as ready once its program has run for 2 s (0.5 s where sandkeep only keeps it open), and a folder, here or over ssh, at once. One that the config changes in place has to run on for as long, and is then asked again.
   */
  ready?: {
    /**
     * Program that exits with 0 once the sandbox is ready. No shell.
     *
     * @minItems 1
     */
    command: [string, ...string[]];
    /**
     * How long it may take, such as "30s".
     */
    timeout?: string;
    /**
     * Pause between attempts, the first of which is made at once, such as "1s".
     */
    interval?: string;
  };
  /**
   * When a step of making a sandbox is given up.
   */
  timeouts?: {
    /**
     * How long the pull of an image may take, such as "15m".
     */
    fetch?: string;
    /**
     * How long the copy of a workspace to a new sandbox may take.
     */
    seed?: string;
    /**
     * How long all setup lines of a new sandbox may take together.
     */
    setup?: string;
  };
  /**
   * What may leave the sandbox; everything else is denied. Gives it a network of its own.
   */
  egress?: {
    /**
     * Hosts that may be reached: "pypi.org", "*.npmjs.org", "10.0.0.5:5432". Ports 80 and 443 unless said.
     */
    allow?: string[];
    /**
     * Image the gate runs in; it must hold node 16 or newer. Without it, the sandbox's own image.
     */
    image?: string;
  };
  /**
   * When unused sandboxes are removed.
   */
  prune?: {
    /**
     * Unused for this long, a sandbox is removed until its next use. "off" keeps it.
     */
    idle?: string | "off" | 0;
    /**
     * Older than this, a sandbox is made anew. "off" keeps it.
     */
    max_age?: string | "off" | 0;
  };
  /**
   * When sandboxes in use may be replaced.
   */
  disruption?: {
    /**
     * When a sandbox in use may be replaced: at once, when idle, or only by hand.
     */
    when?: "now" | "idle" | "never";
    /**
     * How long `when = "idle"` waits before it replaces anyway. "off" waits on.
     */
    max_wait?: string | "off" | 0;
  };
  /**
   * What is kept of the files written in a sandbox before it is removed or replaced.
   */
  salvage?: {
    /**
     * Whether a bundle of what was written inside is kept before a sandbox is removed or replaced; unattended: unless a person asked for it with recreate or destroy.
     */
    when?: "off" | "unattended" | "always";
    /**
     * Paths and globs of what is kept, each with all that is below it; everything by default.
     *
     * @minItems 1
     */
    include?: [string, ...string[]];
    /**
     * Paths and globs of what is not kept, such as caches.
     */
    exclude?: string[];
    /**
     * The most one bundle may hold, such as "1GiB", or "unlimited".
     */
    max_bytes?: string | number | "unlimited";
    /**
     * What to do about more: leave the sandbox as it is, or leave out what does not fit.
     */
    oversize?: "fail" | "truncate";
    /**
     * Newest bundles kept of one sandbox, or "all".
     */
    keep?: number | "all";
    /**
     * Older bundles give way to a new one of the same sandbox. "off" keeps them.
     */
    max_age?: string | "off" | 0;
  };
  docker?: ContainerSettings;
  podman?: ContainerSettings1;
  /**
   * Settings of the local backend.
   */
  local?: {
    /**
     * none is no security boundary; bubblewrap gives private mounts, processes and network.
     */
    isolation?: "none" | "bubblewrap";
    /**
     * Whether commands see a home of their own or the user's.
     */
    home?: "own" | "user";
    /**
     * Whether commands reach the network. Takes isolation to enforce.
     */
    network?: "none" | "host";
    /**
     * Paths to mount under isolation: "source:target[:ro|rw]". Agents add to the defaults.
     */
    binds?: string[];
    /**
     * Folders that bind sources must lie in, besides the workspace.
     */
    allowed_roots?: string[];
    /**
     * Rules that are broken on purpose: the rule's name, and the reason why it must be.
     */
    break_glass?: {
      /**
       * Why it must be: binds of system paths such as /etc or /run.
       */
      bind_source_system?: string;
      /**
       * Why it must be: binds of folders that hold credentials, such as ~/.ssh.
       */
      bind_source_credentials?: string;
      /**
       * Why it must be: a bind of an engine's socket, which is root on its machine.
       */
      bind_source_engine_socket?: string;
      /**
       * Why it must be: binds onto paths that belong to the runtime, such as /etc.
       */
      bind_target_reserved?: string;
    };
  };
  /**
   * Settings of the ssh backend.
   */
  ssh?: {
    /**
     * Folder on the host that sandboxes are kept in, such as "~/sandboxes".
     */
    workspace_root?: string;
    /**
     * none is no security boundary; bubblewrap gives private mounts, processes and network.
     */
    isolation?: "none" | "bubblewrap";
    /**
     * Whether commands reach the network. Takes isolation to enforce.
     */
    network?: "none" | "host";
    /**
     * Memory that all of a sandbox's commands have together, such as "2GiB". Limits take systemd's user manager and cgroup v2 on the host.
     */
    memory?: string | number;
    /**
     * CPU time that all of a sandbox's commands have together, in cores, such as 1.5.
     */
    cpus?: number;
    /**
     * Most processes of all of a sandbox's commands at once, or "unlimited".
     */
    pids?: number | "unlimited";
    /**
     * What becomes of a command whose connection is lost: kill ends it, keep leaves it, both with an unknown outcome; reattach takes it up again within four minutes, or ends it.
     */
    on_disconnect?: "kill" | "keep" | "reattach";
  };
  /**
   * Settings of the buildkit backend.
   */
  buildkit?: {
    /**
     * The BuildKit worker: "tcp://host:port", "unix:///path", "docker://" (the one in a Docker Engine) or "ssh://user@host", where host can be a name in [hosts]. Required by this backend.
     */
    endpoint?: string;
    /**
     * Image that commands run in, such as "debian:12-slim". Required by this backend.
     */
    image?: string;
    /**
     * Who decides which image that is: missing (the worker, by what it holds or its registry has), pin (sandkeep.lock), track (the registry, asked at each plan and command). What pin and track say is built from by its digest.
     */
    image_policy?: "missing" | "pin" | "track";
    /**
     * Whether commands reach the network: none, or the worker's own.
     */
    network?: "none" | "default";
    /**
     * Path of the buildctl to use. Without it, buildctl or docker buildx as found on PATH.
     */
    buildctl_path?: string;
    /**
     * Most commands of this machine on the endpoint at once.
     */
    max_parallel?: number;
    /**
     * Most commands that wait for their turn on the endpoint; more are refused.
     */
    queue_capacity?: number;
    /**
     * Certificates for a tcp:// endpoint, or one of docker://host:port.
     */
    tls?: {
      /**
       * File with the certificate authority of the worker.
       */
      ca: string;
      /**
       * File with this client's certificate.
       */
      cert: string;
      /**
       * File with this client's private key.
       */
      key: string;
      /**
       * Name the worker's certificate is for, if not the endpoint's.
       */
      server_name?: string;
    };
    /**
     * How much of the worker's cache `apply`, `watch` and `prune --cache` leave.
     */
    cache?: {
      /**
       * What the worker's cache has not used for this long is removed, such as "7d".
       */
      max_age?: string;
      /**
       * The oldest of the worker's cache beyond this size is removed, such as "10GiB".
       */
      max_size?: string | number;
    };
  };
}
/**
 * What differs from [tools] for this agent.
 */
export interface Tools {
  /**
   * Which tools sandboxed sessions may use.
   */
  sandbox?: {
    /**
     * Tools that may be used; names, globs and groups. Without it, all.
     */
    allow?: string[];
    /**
     * Tools that may not be used. Deny wins over allow.
     */
    deny?: string[];
    /**
     * Tools added to the allowed ones.
     */
    also_allow?: string[];
  };
  /**
   * Running outside the sandbox.
   */
  elevated?: {
    /**
     * Whether commands may ask to run outside the sandbox.
     */
    enabled?: boolean;
    /**
     * Who may ask, by channel: { chat = ["alice"] }.
     */
    allow_from?: {
      [k: string]: string[];
    };
  };
}
