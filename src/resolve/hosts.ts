import type { HostSettings } from "../config/schema/host.ts";
import type { Config } from "../config/schema/root.ts";
import type { SshAccessSettings } from "../config/schema/ssh.ts";
import type { AdoptSettings, Host, SecretRef, SshAccess, TelemetrySettings } from "../model/settings.ts";
import { absolutePath } from "./paths.ts";

/** `[hosts]` with every default filled in. `root` is the folder that relative paths start from. */
export function resolveHosts(config: Config, root: string, home: string): Readonly<Record<string, Host>> {
  const hosts = Object.entries(config.hosts ?? {}).map(([name, written]): [string, Host] => [
    name,
    {
      name,
      ...(written.ssh === undefined ? {} : { ssh: sshOf(written.ssh, root, home) }),
      ...(written.docker === undefined ? {} : { docker: written.docker }),
      ...(written.podman === undefined ? {} : { podman: written.podman }),
      ...(written.tls === undefined ? {} : { tls: tlsOf(written.tls) }),
      labels: written.labels ?? {},
      ...(written.max_runtimes === undefined ? {} : { max_runtimes: written.max_runtimes }),
      ...(written.compose === undefined ? {} : { compose: written.compose }),
      ...(written.adopt === undefined ? {} : { adopt: adoptOf(written.adopt) }),
      ...headroomOf(written),
    },
  ]);
  return Object.fromEntries(hosts);
}

function headroomOf(written: HostSettings): Pick<Host, "headroom"> {
  const { disk_min_free, memory_min_free, max_stale, back_pressure = false } = written;
  if (disk_min_free === undefined && memory_min_free === undefined && max_stale === undefined) return {};
  return {
    headroom: {
      ...(disk_min_free === undefined ? {} : { disk_min_free }),
      ...(memory_min_free === undefined ? {} : { memory_min_free }),
      ...(max_stale === undefined ? {} : { max_stale }),
      back_pressure,
    },
  };
}

/** `[telemetry]` with every default filled in; what is missing is told by the checks. */
export function telemetryOf(config: Config, root: string, home: string): TelemetrySettings {
  const { export: to = "off", file, url, token } = config.telemetry ?? {};
  if (to === "file" && file !== undefined) return { export: "file", file: absolutePath(file, root, home) };
  if (to === "http" && url !== undefined)
    return { export: "http", url, ...(token === undefined ? {} : { token }) };
  return { export: "off" };
}

function adoptOf(written: NonNullable<HostSettings["adopt"]>): AdoptSettings {
  const { roots = [], directories = [], containers = [], labels = {} } = written;
  return { roots, directories, containers, labels };
}

function tlsOf({ server_name, ...files }: NonNullable<HostSettings["tls"]>): NonNullable<Host["tls"]> {
  return { ...files, ...(server_name === undefined ? {} : { server_name }) };
}

function sshOf(written: SshAccessSettings, root: string, home: string): SshAccess {
  const { target, identity_file, identity, certificate_file, certificate, known_hosts_file } = written;
  const path = (text: string): string => absolutePath(text, root, home);
  const ref = (each: SecretRef): SecretRef => ("file" in each ? { file: path(each.file) } : each);
  return {
    target,
    ...(identity_file === undefined ? {} : { identity_file: path(identity_file) }),
    ...(identity === undefined ? {} : { identity: ref(identity) }),
    ...(certificate_file === undefined ? {} : { certificate_file: path(certificate_file) }),
    ...(certificate === undefined ? {} : { certificate: ref(certificate) }),
    ...(known_hosts_file === undefined ? {} : { known_hosts_file: path(known_hosts_file) }),
    ...(written.known_hosts === undefined ? {} : { known_hosts: written.known_hosts }),
    strict_host_key: written.strict_host_key ?? true,
    ...(written.jump === undefined ? {} : { jump: written.jump }),
    transport: written.transport ?? "auto",
    folder: root,
  };
}
