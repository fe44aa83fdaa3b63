import * as z from "zod";
import { sshAccessSchema } from "./ssh.ts";
import { headroomKeys } from "./telemetry.ts";
import { about, nameText, nonEmptyText, textOf } from "./text.ts";

const tlsSchema = z.strictObject({
  ca: nonEmptyText.describe("File with the certificate authority of the engine."),
  cert: nonEmptyText.describe("File with this client's certificate."),
  key: nonEmptyText.describe("File with this client's private key."),
  server_name: nonEmptyText
    .optional()
    .apply(about, "Name the engine's certificate is for, if not the host's."),
});

/** A password in an endpoint would reach labels, plans and logs. */
const endpoint = textOf(
  /^(?:unix:\/\/\/\S+|tcp:\/\/[^\s/@]+\/?|ssh:\/\/(?:[^\s/@:]+@)?[^\s/@]+(?:\/\S*)?)$/,
  '"unix:///path", "tcp://host:port" or "ssh://user@host", without a password',
);

/** At least two folders deep: nothing of a whole system is ever a sandbox. */
const rootText = textOf(
  /^(?:~|\/[^/\p{Cc}]+)(?!.*\/\.{1,2}(?:\/|$))(?:\/[^/\p{Cc}]+)+$/u,
  'an absolute path of at least two folders, or one that starts with "~/"',
);

/** `[hosts.NAME.adopt]`: what of others on a host counts as a sandbox, so that `host reap` may remove it. */
const adoptSchema = z.strictObject({
  roots: z
    .array(rootText)
    .optional()
    .apply(about, 'Folders on the host in which other tools keep sandboxes, such as "/tmp/sandboxer".'),
  directories: z
    .array(nonEmptyText)
    .optional()
    .apply(
      about,
      "Names, as globs, of folders that are sandboxes: directly below a root or a workspace_root.",
    ),
  containers: z
    .array(nonEmptyText)
    .optional()
    .apply(about, "Names, as globs, of containers that are sandboxes."),
  labels: z
    .record(textOf(/^[A-Za-z0-9][A-Za-z0-9._/-]*$/, "a label's key"), z.string())
    .optional()
    .apply(about, 'Labels of containers that are sandboxes; the value is a glob, and "*" takes any.'),
});

/** `[hosts.NAME]`: a place a backend connects to. */
export const hostSchema = z.strictObject({
  ssh: sshAccessSchema.optional().apply(about, "How the host is reached over SSH."),
  docker: endpoint
    .optional()
    .apply(
      about,
      'Docker endpoint: "unix:///path" (of the host itself where it has an ssh table), "tcp://host:port" or "ssh://user@host".',
    ),
  podman: endpoint
    .optional()
    .apply(
      about,
      'Podman endpoint: "unix:///path", "tcp://host:port" or "ssh://user@host/path/podman.sock".',
    ),
  tls: tlsSchema.optional().apply(about, "Certificates for a tcp:// endpoint."),
  labels: z
    .record(nameText, z.string())
    .optional()
    .apply(about, "Facts about the host, for people and for choosing hosts."),
  max_runtimes: z
    .int()
    .min(1, { error: "expected a whole number above 0" })
    .optional()
    .apply(about, "Most sandboxes this host may hold; beyond that nothing new is made there."),
  compose: z
    .enum(["docker compose", "podman-compose"])
    .optional()
    .apply(
      about,
      "Which Compose is at home there. `host inspect` lists its projects as foreign; they are never touched.",
    ),
  ...headroomKeys,
  adopt: adoptSchema
    .optional()
    .apply(about, "What of others counts as a sandbox there: `host reap` may remove it once it is old."),
});
export type HostSettings = z.infer<typeof hostSchema>;
