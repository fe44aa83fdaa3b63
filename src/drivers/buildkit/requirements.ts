/** What the buildkit backend cannot do with these settings: each row says what to change. Pure. */
import type { Settings } from "../../model/settings.ts";
import { parseReference } from "../../registry/reference.ts";
import type { Requirement } from "../driver.ts";
import { parseEndpoint } from "./endpoint.ts";

interface Row {
  readonly when: (settings: Settings) => boolean;
  readonly requirement: Requirement;
}

const text = (settings: Settings, key: string): string | undefined => {
  const value = settings.options[key];
  return typeof value === "string" ? value : undefined;
};

/** What a Dockerfile takes literally: nothing that it would expand or split. */
const LITERAL_PATH = /^\/[\w./@+-]+$/;
const LITERAL_IMAGE = /^[A-Za-z0-9][\w./:@-]*$/;

const ROWS: readonly Row[] = [
  {
    when: (settings) => text(settings, "endpoint") === undefined,
    requirement: {
      path: "buildkit.endpoint",
      code: "endpoint-required",
      message: "the buildkit backend needs an endpoint",
      hint: 'set sandbox.buildkit.endpoint, such as "tcp://build.example.com:1234" or "docker://"',
    },
  },
  {
    when: (settings) => {
      const endpoint = text(settings, "endpoint");
      return endpoint !== undefined && parseEndpoint(endpoint) === undefined;
    },
    requirement: {
      path: "buildkit.endpoint",
      code: "endpoint-invalid",
      message: "the endpoint is not understood",
      hint: 'use "tcp://host:port", "unix:///path", "docker://" or "ssh://user@host"',
    },
  },
  {
    when: (settings) => text(settings, "image") === undefined,
    requirement: {
      path: "buildkit.image",
      code: "image-required",
      message: "the buildkit backend needs an image",
      hint: 'set sandbox.buildkit.image, such as "debian:12-slim"',
    },
  },
  {
    when: (settings) => !LITERAL_IMAGE.test(text(settings, "image") ?? "scratch"),
    requirement: {
      path: "buildkit.image",
      code: "image-not-literal",
      message: "the image's name has characters that a build would not take literally",
      hint: "use letters, digits and any of . / : @ _ -",
    },
  },
  {
    when: (settings) => {
      const [image, policy] = [text(settings, "image"), text(settings, "image_policy")];
      const fixed = policy === "pin" || policy === "track";
      return fixed && image !== undefined && parseReference(image) === undefined;
    },
    requirement: {
      path: "buildkit.image",
      code: "image-not-in-a-registry",
      message: "the image_policy needs an image of a registry, which this does not name",
      hint: 'name it as in "debian:12-slim", or use image_policy = "missing"',
    },
  },
  {
    when: ({ workspace }) => !LITERAL_PATH.test(workspace.target),
    requirement: {
      path: "workspace.target",
      code: "target-not-literal",
      message: "the workspace's target has characters that a build would not take literally",
      hint: "use letters, digits and any of . / @ + _ -",
    },
  },
  {
    when: (settings) => {
      const endpoint = parseEndpoint(text(settings, "endpoint") ?? "");
      const at = endpoint?.kind === "docker" ? endpoint.engine : endpoint;
      return settings.options["tls"] !== undefined && at !== undefined && at.kind !== "tcp";
    },
    requirement: {
      path: "buildkit.tls",
      code: "tls-without-tcp",
      message: "certificates are for an endpoint that is reached over TCP",
      hint: "remove buildkit.tls, or use tcp://host:port",
    },
  },
  {
    when: ({ secrets }) => Object.values(secrets).some((each) => each.for?.some((use) => use !== "run")),
    requirement: {
      path: "secrets",
      code: "buildkit-secret-use",
      message: "setup lines are cached layers that get no secrets, and there is no main program to have any",
      hint: 'leave only "run" in the secret\'s for',
    },
  },
  {
    when: (settings) => settings.ready !== undefined,
    requirement: {
      path: "ready",
      code: "buildkit-no-ready",
      message: "nothing is made that could be waited for: a worker is ready when it answers",
      hint: "remove the ready table",
    },
  },
];

export function requireSettings(settings: Settings): readonly Requirement[] {
  return ROWS.filter((row) => row.when(settings)).map((row) => row.requirement);
}
