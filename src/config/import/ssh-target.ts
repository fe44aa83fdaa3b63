import { THIS_HOST } from "../../model/names.ts";
import { sshAccessSchema } from "../schema/ssh.ts";
import { freeName } from "./free-name.ts";

const PORT = /:(\d+)$/;

/** A host's target as sandkeep takes it, or undefined. */
export function readTarget(text: unknown): string | undefined {
  const { data } = sshAccessSchema.shape.target.safeParse(text);
  const port = Number(PORT.exec(data?.replace(/\[.*\]/, "") ?? "")?.[1] ?? 22);
  return port >= 1 && port <= 65_535 ? data : undefined;
}

/** What `[hosts]` calls the place that a target names. */
export function hostNameOf(target: string, taken: Set<string>): string {
  const place = target.slice(target.indexOf("@") + 1);
  const host = /^\[(.*)\]/.exec(place)?.[1] ?? place.replace(PORT, "");
  return freeName(host.replaceAll(":", "-"), "ssh", taken, [THIS_HOST]);
}
