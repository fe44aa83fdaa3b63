import type Docker from "dockerode";
import type { TestRegistry } from "../../support/registry.ts";

/** An image of one site's own that a registry has, and the engine only once it is pulled. */
export class PulledImage {
  readonly ref: string;
  readonly #docker: Docker;
  readonly #registry: TestRegistry;
  readonly #fleet: string;
  #pushed: Promise<string> | undefined;

  constructor(docker: Docker, registry: TestRegistry, fleet: string) {
    this.#docker = docker;
    this.#registry = registry;
    this.#fleet = fleet;
    this.ref = `${registry.address}/${fleet}:1`;
  }

  /** The registry has it from now on, and the engine no longer; no container may need it. */
  async takeAway(): Promise<void> {
    await (this.#pushed ??= this.#registry.push(`${this.#fleet}:1`, this.#fleet));
    for (const { Id } of await this.#held()) await this.#docker.getImage(Id).remove({ force: true });
    const left = await this.#held();
    if (left.length > 0) throw new Error(`the engine still has ${JSON.stringify(left)}`);
  }

  /** What is not as after one whole pull: the image under its tag and its digest, and the container made from it. */
  async wrong(containerId: string): Promise<string[]> {
    const held = (await this.#held()).map(({ Id, RepoTags, RepoDigests }) => ({ Id, RepoTags, RepoDigests }));
    const { Image } = await this.#docker.getContainer(containerId).inspect();
    const digest = `${this.#registry.address}/${this.#fleet}@${await this.#pushed}`;
    const whole = [{ Id: Image, RepoTags: [this.ref], RepoDigests: [digest] }];
    const [found, wanted] = [JSON.stringify(held), JSON.stringify(whole)];
    return found === wanted ? [] : [`images: ${found}, not ${wanted}`];
  }

  /** Also without a name: the label alone says whose it is. */
  async #held(): Promise<Docker.ImageInfo[]> {
    const filters = JSON.stringify({ label: [`content=${this.#fleet}`] });
    return await this.#docker.listImages({ filters });
  }
}
