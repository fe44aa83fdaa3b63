import * as z from "zod";
import { sshAccessSchema } from "./ssh.ts";
import { nameText, nonEmptyText, textOf } from "./text.ts";

const tlsSchema = z.strictObject({
  ca: nonEmptyText.describe("File with the certificate authority of the engine."),
  cert: nonEmptyText.describe("File with this client's certificate."),
  key: nonEmptyText.describe("File with this client's private key."),
  server_name: nonEmptyText.optional().describe("Name the engine's certificate is for, if not the host's."),
});

/** A password in an endpoint would reach labels, plans and logs. */
const endpoint = textOf(
  /^(?:unix:\/\/\/\S+|tcp:\/\/[^\s/@]+\/?|ssh:\/\/(?:[^\s/@:]+@)?[^\s/@]+(?:\/\S*)?)$/,
  '"unix:///path", "tcp://host:port" or "ssh://user@host", without a password',
);

/** `[hosts.NAME]`: a place a backend connects to. */
export const hostSchema = z.strictObject({
  ssh: sshAccessSchema.optional().describe("How the host is reached over SSH."),
  docker: endpoint
    .optional()
    .describe('Docker endpoint: "unix:///path", "tcp://host:port" or "ssh://user@host".'),
  podman: endpoint
    .optional()
    .describe('Podman endpoint: "unix:///path", "tcp://host:port" or "ssh://user@host/path/podman.sock".'),
  tls: tlsSchema.optional().describe("Certificates for a tcp:// endpoint."),
  labels: z
    .record(nameText, z.string())
    .optional()
    .describe("Facts about the host, for people and for choosing hosts."),
  max_runtimes: z
    .int()
    .min(1, { error: "expected a whole number above 0" })
    .optional()
    .describe("Most sandboxes this host may hold."),
});
export type HostSettings = z.infer<typeof hostSchema>;
