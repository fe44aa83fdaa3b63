import * as z from "zod";
import { about, nonEmptyText, textOf, word } from "./text.ts";
import { durationSchema, sizeSchema } from "./units.ts";

const tlsSchema = z.strictObject({
  ca: nonEmptyText.describe("File with the certificate authority of the worker."),
  cert: nonEmptyText.describe("File with this client's certificate."),
  key: nonEmptyText.describe("File with this client's private key."),
  server_name: nonEmptyText
    .optional()
    .apply(about, "Name the worker's certificate is for, if not the endpoint's."),
});

const cacheSchema = z.strictObject({
  max_age: durationSchema
    .optional()
    .apply(about, 'What the worker\'s cache has not used for this long is removed, such as "7d".'),
  max_size: sizeSchema
    .optional()
    .apply(about, 'The oldest of the worker\'s cache beyond this size is removed, such as "10GiB".'),
});

/** A password in an endpoint would reach plans and logs. */
const endpoint = textOf(
  /^(?:unix:\/\/\/\S+|tcp:\/\/[^\s/@]+:\d+\/?|docker:\/\/(?:\/\S+|[^\s/@]+:\d+\/?)?|ssh:\/\/(?:[^\s/@:]+@)?[^\s/@]+(?:\/\S*)?)$/,
  '"tcp://host:port", "unix:///path", "docker://[/path or host:port]" or "ssh://user@host[/path]", without a password',
);

const count = (least: number): z.ZodInt =>
  z.int().min(least, { error: `expected a whole number of at least ${least}` });

/** `[sandbox.buildkit]`: where commands run as builds of their own, and in what. */
export const buildkitSchema = z.strictObject({
  endpoint: endpoint
    .optional()
    .apply(
      about,
      'The BuildKit worker: "tcp://host:port", "unix:///path", "docker://" (the one in a Docker Engine) or "ssh://user@host", where host can be a name in [hosts]. Required by this backend.',
    ),
  image: word("an image name")
    .optional()
    .apply(about, 'Image that commands run in, such as "debian:12-slim". Required by this backend.'),
  image_policy: z
    .enum(["missing", "pin", "track"])
    .optional()
    .apply(
      about,
      "Who decides which image that is: missing (the worker, by what it holds or its registry has), pin (sandkeep.lock), track (the registry, asked at each plan and command). What pin and track say is built from by its digest.",
    ),
  network: z
    .enum(["none", "default"])
    .optional()
    .apply(about, "Whether commands reach the network: none, or the worker's own."),
  buildctl_path: nonEmptyText
    .optional()
    .apply(about, "Path of the buildctl to use. Without it, buildctl or docker buildx as found on PATH."),
  max_parallel: count(1).optional().apply(about, "Most commands of this machine on the endpoint at once."),
  queue_capacity: count(0)
    .optional()
    .apply(about, "Most commands that wait for their turn on the endpoint; more are refused."),
  tls: tlsSchema.optional().apply(about, "Certificates for a tcp:// endpoint, or one of docker://host:port."),
  cache: cacheSchema
    .optional()
    .apply(about, "How much of the worker's cache `apply`, `watch` and `prune --cache` leave."),
});
