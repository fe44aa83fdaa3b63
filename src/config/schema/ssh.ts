import * as z from "zod";
import { secretRefSchema } from "./secret.ts";
import { about, nonEmptyText, textOf } from "./text.ts";

const PLACE = String.raw`(?:[A-Za-z0-9_][A-Za-z0-9._-]*@)?(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_][A-Za-z0-9._-]*)(?::[0-9]{1,5})?`;

/** `[hosts.NAME] ssh`: how a host is reached over SSH, and how it proves that it is the right one. */
export const sshAccessSchema = z.strictObject({
  target: textOf(
    new RegExp(`^${PLACE}$`),
    '"user@host", "user@host:port", "user@[2001:db8::1]:22" or an alias of ~/.ssh/config',
  ).apply(about, 'Where to: "user@host:port", or an alias of ~/.ssh/config.'),
  identity_file: nonEmptyText
    .optional()
    .apply(about, "File with the private key. Without it the agent's keys, then those in ~/.ssh."),
  identity: secretRefSchema
    .optional()
    .apply(about, "The private key itself, from { env }, { file } or { command }."),
  certificate_file: nonEmptyText
    .optional()
    .apply(about, "File with an OpenSSH user certificate for the key."),
  certificate: secretRefSchema
    .optional()
    .apply(about, "The user certificate itself, from { env }, { file } or { command }."),
  known_hosts_file: nonEmptyText
    .optional()
    .apply(about, "File with the keys this host may show. ~/.ssh/known_hosts without it."),
  known_hosts: nonEmptyText.optional().apply(about, "Lines of a known_hosts file, instead of a file."),
  strict_host_key: z
    .boolean()
    .optional()
    .apply(
      about,
      "false also talks to a host whose key nobody knows; a changed key is refused all the same, and no known_hosts file is written to.",
    ),
  jump: textOf(new RegExp(`^${PLACE}(?:,${PLACE})*$`), '"user@host:port", or several with commas between')
    .optional()
    .apply(
      about,
      'Hosts to go through, such as "ci@bastion:22"; the same keys and known hosts count for them.',
    ),
  transport: z
    .enum(["auto", "ssh2", "openssh"])
    .optional()
    .apply(
      about,
      "auto is the built-in client, and the system's ssh where certificates, a host CA or an alias need it.",
    ),
});
export type SshAccessSettings = z.infer<typeof sshAccessSchema>;
