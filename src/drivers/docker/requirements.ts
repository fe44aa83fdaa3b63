import { LABEL_PREFIX } from "../../model/labels.ts";
import { namesFor } from "../../model/secret-use.ts";
import type { Host, Settings } from "../../model/settings.ts";
import type { Requirement } from "../driver.ts";
import type { Dialect } from "./dialect.ts";
import type { EngineName } from "./endpoint.ts";
import { isRemote, parseEndpoint } from "./endpoint.ts";
import { parseReference } from "../../registry/reference.ts";
import type { Section } from "./section.ts";
import { inSection, readSection } from "./section.ts";
import { tmpfsEntry } from "./spec.ts";

/** Dockerd refuses less. */
const MIN_MEMORY = 6 * 1024 * 1024;

export interface RequirementFacts {
  readonly section: Section;
  readonly settings: Settings;
  readonly host: Host | undefined;
  readonly engine: EngineName;
}

export interface Rule {
  readonly code: string;
  readonly path: string;
  /** What is wrong, or undefined. */
  readonly check: (facts: RequirementFacts) => string | undefined;
  /** `{engine}` stands for the engine's name, which is also its config section. */
  readonly hint: string;
}

const when = (condition: boolean, message: string): string | undefined => (condition ? message : undefined);

const RULES: readonly Rule[] = [
  {
    code: "image-required",
    path: "docker.image",
    check: ({ section, engine }) => when(section.image === undefined, `the ${engine} backend needs an image`),
    hint: 'set sandbox.{engine}.image, such as "debian:12-slim"',
  },
  {
    code: "image-not-in-a-registry",
    path: "docker.image",
    check: ({ section: { image, image_policy: policy } }) =>
      when(
        (policy === "pin" || policy === "track") &&
          image !== undefined &&
          parseReference(image) === undefined,
        `image_policy "${policy}" needs an image of a registry, which "${image ?? ""}" does not name`,
      ),
    hint: 'name it as in "debian:12-slim", or use image_policy = "never"',
  },
  {
    code: "command-secret-without-command",
    path: "secrets",
    check: ({ section, settings }) =>
      when(
        section.command === undefined && namesFor(settings.secrets, "command").length > 0,
        'a secret for "command" needs docker.command: without it sandkeep itself keeps the container alive',
      ),
    hint: 'set docker.command, or take "command" out of the secret\'s for',
  },
  {
    code: "memory-too-small",
    path: "docker.memory",
    check: ({ section }) =>
      when(section.memory !== undefined && section.memory < MIN_MEMORY, "the engine refuses less than 6MiB"),
    hint: "give it 6MiB or more",
  },
  {
    code: "swap-without-memory",
    path: "docker.memory_swap",
    check: ({ section }) =>
      when(
        section.memory_swap !== undefined && section.memory === undefined,
        "memory_swap needs a memory limit",
      ),
    hint: "set {engine}.memory as well",
  },
  {
    code: "swap-below-memory",
    path: "docker.memory_swap",
    check: ({ section: { memory, memory_swap: swap } }) =>
      when(
        typeof swap === "number" && memory !== undefined && swap < memory,
        "memory_swap counts memory and swap together, so it cannot be less than memory",
      ),
    hint: "set memory_swap equal to memory for no swap at all",
  },
  {
    code: "cpus-too-small",
    path: "docker.cpus",
    check: ({ section }) =>
      when(section.cpus !== undefined && section.cpus < 0.01, "the engine refuses less than 0.01 cores"),
    hint: "give it 0.01 or more",
  },
  {
    code: "mount-conflict",
    path: "docker.binds",
    check: (facts) => mountConflict(facts),
    hint: "give every mount a target of its own",
  },
  {
    code: "bind-on-remote",
    path: "docker.binds",
    check: ({ section, host, engine }) =>
      when(
        section.binds.length > 0 && isRemote(host, engine),
        `a bind's source would be a path of host "${host?.name ?? ""}", not of this machine`,
      ),
    hint: "put what the sandbox needs into its workspace or its image",
  },
  {
    code: "label-reserved",
    path: "docker.labels",
    check: ({ section }) => {
      const taken = Object.keys(section.labels).find((key) => key.startsWith(LABEL_PREFIX));
      return taken === undefined
        ? undefined
        : `label "${taken}" is reserved: names that start with "${LABEL_PREFIX}" are ours`;
    },
    hint: "use another prefix",
  },
  {
    code: "host-without-docker",
    path: "host",
    check: ({ host, engine }) =>
      when(
        host !== undefined && host[engine] === undefined,
        `host "${host?.name ?? ""}" has no ${engine} endpoint`,
      ),
    hint: 'set {engine} = "ssh://user@host", "tcp://host:port" or "unix:///path" in its table',
  },
  {
    code: "endpoint-invalid",
    path: "host",
    check: ({ host, engine }) => {
      const written = host?.[engine];
      return when(
        written !== undefined && parseEndpoint(written, engine) === undefined,
        `host "${host?.name ?? ""}" has a ${engine} endpoint that is not understood`,
      );
    },
    hint: 'use "ssh://user@host", "tcp://host:port" or "unix:///path"',
  },
];

/** What is missing or contradictory, in the order of the table. */
export function requirements(
  settings: Settings,
  host: Host | undefined,
  { name: engine, rules }: Pick<Dialect, "name" | "rules">,
): readonly Requirement[] {
  const facts = { section: readSection(settings.options), settings, host, engine };
  return [...RULES, ...rules].flatMap(({ code, path, check, hint }) => {
    const message = check(facts);
    if (message === undefined) return [];
    return [{ path: inSection(path, engine), code, message, hint: hint.replaceAll("{engine}", engine) }];
  });
}

function mountConflict({ section, settings }: RequirementFacts): string | undefined {
  const seen = new Set([settings.workspace.target]);
  const targets = [
    ...section.tmpfs.map((text) => tmpfsEntry(text)[0]),
    ...section.binds.map(({ target }) => target),
  ];
  for (const target of targets) {
    if (seen.has(target)) return `two mounts share the target ${target}`;
    seen.add(target);
  }
  return undefined;
}
