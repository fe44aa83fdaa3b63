import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ContainerInfo, ContainerInspectInfo } from "dockerode";
import { FaultProxy } from "../../support/fault-proxy.ts";
import type { TestRegistry } from "../../support/registry.ts";
import type { BuiltCli, Ran, Running } from "./built-cli.ts";
import { FarWay } from "./far-way.ts";
import type { PrivateEngine } from "./private-engine.ts";
import { PulledImage } from "./pulled-image.ts";
import type { Settings } from "./settings.ts";
import { AT_REST, configOf, FLEET_ID, HELD_IMAGE, WORKSPACE } from "./settings.ts";

const FLEET_LABEL = "sandkeep.fleet";
const GATE_LABEL = "sandkeep.gate";

/** What must be there in the end: the one runtime, or its dormancy mark, or nothing. */
export type End = "running" | "dormant" | "gone";

/** What sites share. */
export interface Ground {
  readonly cli: BuiltCli;
  readonly engine: PrivateEngine;
  readonly registry: TestRegistry;
}

/** One fleet of one agent, with its own state directory and its own way to the engine, beside two bystanders. */
export class Site implements AsyncDisposable {
  readonly fleet = `c${randomBytes(5).toString("hex")}`;
  readonly folder: string;
  readonly proxy: FaultProxy;
  /** Canonical name of the fleet's runtime. */
  name = "";
  settings: Settings = AT_REST;
  readonly image: PulledImage;
  readonly #far: FarWay;
  readonly #cli: BuiltCli;
  readonly #engine: PrivateEngine;
  readonly #bystanders = new Map<string, string>();

  private constructor(folder: string, { cli, engine, registry }: Ground, proxy: FaultProxy, far: FarWay) {
    this.folder = folder;
    this.image = new PulledImage(engine.docker, registry, this.fleet);
    this.#cli = cli;
    this.#engine = engine;
    this.proxy = proxy;
    this.#far = far;
  }

  static async open(ground: Ground): Promise<Site> {
    const folder = await mkdtemp("/tmp/sandkeep-site-");
    for (const each of ["home", "project", "state"]) await mkdir(join(folder, each));
    const proxy = await FaultProxy.open(join(folder, "engine.sock"), ground.engine.socket);
    const site = new Site(folder, ground, proxy, await FarWay.open(proxy.path));
    try {
      await site.configure({});
      await site.ok("apply", "--yes");
      const [made] = await site.containers();
      if (made === undefined) throw new Error("apply made nothing");
      site.name = nameOf(made);
      await site.#settle(made.Id);
      return site;
    } catch (thrown) {
      await site[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  get state(): string {
    return join(this.folder, "state");
  }

  /** Nobody's container with nearly our name, and the container of another fleet of the same name. */
  async #settle(id: string): Promise<void> {
    const { Config } = await this.#engine.docker.getContainer(id).inspect();
    const neighbour = { ...Config.Labels, "sandkeep.fleet-id": "another" };
    for (const [name, Labels] of [
      [`${this.name}.news`, {}],
      [`x${this.name}`, neighbour],
    ] as const) {
      const options = { name, Image: HELD_IMAGE, Cmd: ["sleep", "86400"], Labels, NetworkDisabled: true };
      const made = await this.#engine.docker.createContainer(options);
      await made.start();
      this.#bystanders.set(made.id, JSON.stringify(standing(await made.inspect())));
    }
  }

  /** After the engine went down under them. */
  async reviveBystanders(): Promise<void> {
    for (const id of this.#bystanders.keys()) {
      const container = this.#engine.docker.getContainer(id);
      await container.start().catch((error: { statusCode?: number }) => {
        if (error.statusCode !== 304) throw error;
      });
      this.#bystanders.set(id, JSON.stringify(standing(await container.inspect())));
    }
  }

  async configure(change: Partial<Settings>): Promise<void> {
    this.settings = { ...this.settings, ...change };
    const image = this.settings.image === "held" ? HELD_IMAGE : this.image.ref;
    const config = configOf(this.settings, { fleet: this.fleet, image, far: this.#far.url });
    await writeFile(join(this.folder, "project", "sandkeep.toml"), config);
  }

  start(...argv: readonly string[]): Running {
    const env = {
      PATH: process.env["PATH"] ?? "/usr/bin:/bin",
      HOME: join(this.folder, "home"),
      LANG: "C.UTF-8",
      SANDKEEP_STATE_DIR: this.state,
      DOCKER_HOST: `unix://${this.proxy.path}`,
    };
    return this.#cli.start(argv, { cwd: join(this.folder, "project"), env });
  }

  /** Runs what dies as the first call of this kind is on its way to the engine. */
  async killedAt(kind: string, ...argv: readonly string[]): Promise<void> {
    let kill: () => void = () => undefined;
    this.proxy.arm({ kind, nth: 1, blow: "kill before", kill: () => kill() });
    const running = this.start(...argv);
    kill = running.kill;
    const { code, stdout, stderr } = await running.ended;
    if (code !== null) throw new Error(`${kind} did not come: ${stdout}${stderr}`);
  }

  async run(...argv: readonly string[]): Promise<Ran> {
    return await this.start(...argv).ended;
  }

  /** As `run`, for what must succeed. */
  async ok(...argv: readonly string[]): Promise<Ran> {
    const ran = await this.run(...argv);
    if (ran.code === 0) return ran;
    throw new Error(`${argv.join(" ")} exited with ${ran.code}:\n${ran.stdout}\n${ran.stderr}`);
  }

  /** The fleet's own containers. */
  async containers(): Promise<ContainerInfo[]> {
    const filters = { label: [`${FLEET_LABEL}=${this.fleet}`, `sandkeep.fleet-id=${FLEET_ID}`] };
    const listed = await this.#engine.docker.listContainers({ all: true, filters });
    return listed.filter(({ Labels }) => Labels[GATE_LABEL] === undefined);
  }

  async #gates(): Promise<ContainerInfo[]> {
    const filters = { label: [`${FLEET_LABEL}=${this.fleet}`, GATE_LABEL] };
    return await this.#engine.docker.listContainers({ all: true, filters });
  }

  /** What holds a volume of the fleet for the length of an upload; it has no other sign of whose it is. */
  async #helpers(): Promise<ContainerInfo[]> {
    const filters = { label: ["sandkeep.upload-for"] };
    const listed = await this.#engine.docker.listContainers({ all: true, filters });
    return listed.filter(({ Mounts }) => Mounts.some(({ Name }) => Name?.includes(this.fleet)));
  }

  async #networks(): Promise<string[]> {
    const filters = { label: [`${FLEET_LABEL}=${this.fleet}`] };
    const listed = await this.#engine.docker.listNetworks({ filters: JSON.stringify(filters) });
    return listed.map(({ Id }) => Id);
  }

  async marks(): Promise<string[]> {
    return await this.#volumes({ label: [`${FLEET_LABEL}=${this.fleet}`, "sandkeep.dormant-since"] });
  }

  async #volumes(filters: Readonly<Record<string, readonly string[]>>): Promise<string[]> {
    const { Volumes } = await this.#engine.docker.listVolumes({ filters: JSON.stringify(filters) });
    return (Volumes ?? []).map(({ Name }) => Name);
  }

  async rename(to: string): Promise<void> {
    const [found] = await this.containers();
    if (found !== undefined) await this.#engine.docker.getContainer(found.Id).rename({ name: to });
  }

  /** As if a person had removed all that the fleet has. */
  async wipe(): Promise<void> {
    const options = { force: true, v: true };
    const { docker } = this.#engine;
    const containers = [await this.containers(), await this.#gates(), await this.#helpers()];
    for (const { Id } of containers.flat()) await docker.getContainer(Id).remove(options);
    for (const id of await this.#networks()) await docker.getNetwork(id).remove();
    const volumes = await this.#volumes({ label: [`${FLEET_LABEL}=${this.fleet}`] });
    for (const name of volumes) await docker.getVolume(name).remove();
  }

  /** Throws what is not as it must be. */
  async expect(end: End): Promise<void> {
    const wrong: string[] = [];
    const own = await this.containers();
    const names = own.map((each) => `${nameOf(each)} (${each.State})`).join(", ");
    const expected = end === "running" ? `${this.name} (running)` : "";
    if (names !== expected) wrong.push(`containers: ${names || "none"}, not ${expected || "none"}`);
    const marks = await this.marks();
    if (marks.length !== Number(end === "dormant")) {
      wrong.push(`dormancy marks: ${marks.join(", ") || "none"}, where it should be ${end}`);
    }
    const [only] = own;
    if (end === "running" && only !== undefined) {
      const { Config, HostConfig } = await this.#engine.docker.getContainer(only.Id).inspect();
      if (!Config.Env.includes(`ROUND=${this.settings.round}`)) wrong.push(`env ${Config.Env.join(" ")}`);
      if (HostConfig.Memory !== this.settings.memory * 2 ** 20) wrong.push(`memory ${HostConfig.Memory}`);
    }
    wrong.push(...(await this.#misplaced(end)));
    wrong.push(...(await this.#disturbed()), ...(await this.#strangers()), ...(await this.#loose()));
    if (wrong.length > 0) throw new Error(wrong.join("; "));
  }

  /** Networks and gates: as many as the config asks for while the runtime is there, and none when all is gone. */
  async #misplaced(end: End): Promise<string[]> {
    const { net } = this.settings;
    const [networks, gates] = [await this.#networks(), await this.#gates()];
    const wanted = net === "none" || end !== "running" ? 0 : 1;
    const open = gates.filter(({ State }) => State === "running").length;
    const found = [networks.length, gates.length, open].join();
    const expected = [wanted, ...(net === "gate" ? [wanted, wanted] : [0, 0])].join();
    return found === expected ? [] : [`networks, gates and open gates: ${found}, not ${expected}`];
  }

  /** Writes into the runtime what must not be lost with it. */
  async work(text: string): Promise<void> {
    await this.ok("run", "--agent", "a", "--", "sh", "-c", `echo ${text} > /home/user/work`);
  }

  /** Throws unless a bundle holds what was written. */
  async expectKept(text: string): Promise<void> {
    const { stdout } = await this.ok("salvage", "list", "--json");
    const { bundles, damaged } = JSON.parse(stdout) as {
      readonly bundles: readonly { readonly path: string }[];
      readonly damaged: readonly string[];
    };
    const tars = await Promise.all(bundles.map(({ path }) => readFile(join(path, "files.tar"), "latin1")));
    if (!tars.some((tar) => tar.includes(text)))
      throw new Error(`none of ${bundles.length} bundles has ${text}`);
    if (damaged.length > 0) throw new Error(`damaged bundles: ${damaged.join(", ")}`);
  }

  /** Writes what a new workspace is to be filled with. */
  async prepareWorkspace(text: string): Promise<void> {
    const source = join(this.folder, "project", WORKSPACE.source);
    await rm(source, { recursive: true, force: true });
    await mkdir(join(source, "deep"), { recursive: true });
    await writeFile(join(source, "one"), `${text}\n`);
    await writeFile(join(source, "deep", "two"), `${text}, deeper\n`);
    await symlink("deep/two", join(source, "link"));
  }

  /** Throws unless the runtime's workspace holds exactly what was prepared. */
  async expectSeeded(text: string): Promise<void> {
    const tell = `cd ${WORKSPACE.target} && find . ! -type d | sort | while read -r each; do echo "$each $(cat "$each")"; done`;
    const { stdout } = await this.ok("run", "--agent", "a", "--", "sh", "-c", tell);
    const wanted = `./deep/two ${text}, deeper\n./link ${text}, deeper\n./one ${text}\n`;
    if (stdout !== wanted) throw new Error(`the workspace has ${stdout}, not ${wanted}`);
  }

  /** Throws unless the engine has the image whole, and the runtime is made from it. */
  async expectPulled(): Promise<void> {
    const [found] = await this.containers();
    const wrong = found === undefined ? ["no runtime"] : await this.image.wrong(found.Id);
    if (wrong.length > 0) throw new Error(wrong.join("; "));
  }

  async #disturbed(): Promise<string[]> {
    const wrong: string[] = [];
    for (const [id, before] of this.#bystanders) {
      const now = await this.#engine.docker
        .getContainer(id)
        .inspect()
        .then((seen) => JSON.stringify(standing(seen)))
        .catch(String);
      if (now !== before) wrong.push(`bystander was ${before} and is ${now}`);
    }
    return wrong;
  }

  /** What carries our name without our labels, or holds a volume of ours and is no runtime. */
  async #strangers(): Promise<string[]> {
    const all = await this.#engine.docker.listContainers({ all: true });
    const own = new Set([...(await this.containers()), ...(await this.#gates())].map(({ Id }) => Id));
    const named = all
      .filter(({ Id }) => !own.has(Id) && !this.#bystanders.has(Id))
      .filter((each) => nameOf(each).includes(this.fleet));
    return [...named, ...(await this.#helpers())].map((each) => `a stranger ${nameOf(each)}`);
  }

  /** The fleet's volumes that no container uses and that mark nothing. */
  async #loose(): Promise<string[]> {
    const unused = { label: [`${FLEET_LABEL}=${this.fleet}`], dangling: ["true"] };
    const marks = await this.marks();
    const loose = (await this.#volumes(unused)).filter((name) => !marks.includes(name));
    return loose.map((name) => `volume ${name} was left behind`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.wipe().catch(() => undefined);
    await this.#far[Symbol.asyncDispose]();
    for (const id of this.#bystanders.keys()) {
      await this.#engine.docker
        .getContainer(id)
        .remove({ force: true, v: true })
        .catch(() => undefined);
    }
    await this.proxy[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function nameOf({ Names }: ContainerInfo): string {
  return (Names[0] ?? "").replace(/^\//, "");
}

function standing({ Id, Name, State }: ContainerInspectInfo): object {
  return { Id: Id.slice(0, 12), Name, status: State.Status, started: State.StartedAt };
}
