import { beforeEach, describe, inject } from "vitest";

/** The real services of this test run: started before the first test file, gone after the last. */
export interface TestServices {
  readonly docker: DockerService;
  /** An engine of Debian's next release, for builds: it has no network. */
  readonly newer: DockerService;
  readonly podman: PodmanService;
  readonly rootless: RootlessService;
  readonly ssh: SshService;
  readonly buildx: BuildxService;
}

/** Docker's client for BuildKit workers, from Debian's next release. */
export interface BuildxService {
  /** Folder for PATH that holds `docker-buildx` and nothing else. */
  readonly folder: string;
}

export interface DockerService {
  /** Path of the private engine's unix socket. */
  readonly socket: string;
  /** The same as a `DOCKER_HOST` value, `unix:///…`. */
  readonly host: string;
  /** Images the engine holds. There is no registry: nothing else can be pulled. */
  readonly images: DockerImages;
}

export interface PodmanService {
  /** Path of the private Podman's unix socket: nothing of the machine's own, and nothing that outlives the run. */
  readonly socket: string;
  /** The same as a `CONTAINER_HOST` value, `unix:///…`. */
  readonly host: string;
  /** The same images as the Docker Engine's. */
  readonly images: DockerImages;
}

/** A Podman of an ordinary user, who is root inside its containers and may not see what only root may; it goes with the run. */
export interface RootlessService extends PodmanService {
  readonly uid: number;
}

export interface DockerImages {
  /** Static busybox, runs `/bin/sh`, user `user` has uid 1000; `/etc/sandkeep-test` holds `1`. */
  readonly busybox: string;
  /** As `busybox`, but with another digest: `/etc/sandkeep-test` holds `2`. */
  readonly busyboxNext: string;
  /** Its default command exits at once, with code 1. */
  readonly exits: string;
}

/** An sshd on 127.0.0.1 that lets the user of this test run in with `keyFile` and nothing else. */
export interface SshService {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Private key of the user (ed25519, no passphrase). */
  readonly keyFile: string;
  /** Holds the server's host key under `[127.0.0.1]:port`. */
  readonly knownHostsFile: string;
  /** OpenSSH client config: `ssh -F configFile sandkeep-test true`. */
  readonly configFile: string;
  readonly alias: string;
}

export type ServiceName = keyof TestServices;

export type Availability<Service> =
  | { readonly state: "ready"; readonly service: Service }
  | { readonly state: "unavailable"; readonly reason: string };

/** Each by itself: that one cannot run is no reason to leave out the tests of the others. */
export type ServicesState = { readonly [Name in ServiceName]: Availability<TestServices[Name]> } & {
  /** In CI: what is missing makes its tests fail, and skips none. */
  readonly required: boolean;
};

declare module "vitest" {
  interface ProvidedContext {
    readonly sandkeepServices: ServicesState;
  }
}

/** A suite that needs the real Docker Engine; for the projects contract, faults and e2e. */
export function describeWithServices(title: string, suite: (services: () => TestServices) => void): void {
  describeWith(["docker"], title, suite);
}

/**
 * A suite that needs these real services. Where one of them cannot run its tests count as skipped, and fail in CI.
 * Call `services()` inside tests and hooks, not while the suite is being collected.
 */
export function describeWith(
  needs: readonly ServiceName[],
  title: string,
  suite: (services: () => TestServices) => void,
): void {
  const found = inject("sandkeepServices");
  const missing = needs.flatMap((name) => {
    const each = found[name];
    return each.state === "ready" ? [] : [`no ${name}: ${each.reason}`];
  });
  const services = (): TestServices => ({
    get docker() {
      return ready("docker", found.docker);
    },
    get newer() {
      return ready("newer", found.newer);
    },
    get podman() {
      return ready("podman", found.podman);
    },
    get rootless() {
      return ready("rootless", found.rootless);
    },
    get ssh() {
      return ready("ssh", found.ssh);
    },
    get buildx() {
      return ready("buildx", found.buildx);
    },
  });
  if (missing.length === 0) return void describe(title, () => suite(services));
  if (!found.required) {
    const [reason = ""] = missing.join("; ").split("\n");
    return void describe.skip(`${title} [${reason}]`, () => suite(services));
  }
  describe(title, () => {
    beforeEach(() => {
      throw new Error(missing.join("\n"));
    });
    suite(services);
  });
}

/** Throws with the reason where it cannot run. */
export function ready<Service>(name: ServiceName, found: Availability<Service>): Service {
  if (found.state === "ready") return found.service;
  throw new Error(`no ${name}: ${found.reason}`);
}
