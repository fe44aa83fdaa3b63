// What hosts answer, as the look's own program writes it.
import type { Looked } from "../../src/hosts/parse.ts";

export const LOOKED: Looked = {
  host: "build1",
  taken_at: "2030-01-02T03:04:05.000Z",
  via: "ssh",
  target: "ci@build1",
  duration_ms: 40,
};

export const record = (...fields: readonly string[]): string => `${fields.join("\t")}\0`;

const VITALS: readonly string[] = [
  record("kernel", "Linux 6.1.0 x86_64"),
  record("node", "build1"),
  record("uid", "1000"),
  record("load", "0.50 0.25 0.10 1/200 4242"),
  record("uptime", "86461.20 1000.00"),
  record("cpus", "4"),
  record("memory", "MemTotal:", "8000000"),
  record("memory", "MemAvailable:", "6000000"),
  record("memory", "SwapTotal:", "0"),
  record("memory", "SwapFree:", "0"),
  record("processes", "120"),
  record("disk", "root", "/dev/sda1 100000 40000 60000 40% /"),
  record("inodes", "root", "/dev/sda1 5000 1000 4000 20% /"),
];

export const answer = (...more: readonly string[]): Buffer =>
  Buffer.from([record("v", "1"), ...VITALS, ...more, record("end")].join(""));

export const entry = (
  name: string,
  {
    kind = "directory",
    parent = "/srv/sandboxes",
    changed = 1_893_000_000,
    uid = 1000,
    identity = "1:2",
  }: {
    readonly kind?: string;
    readonly parent?: string;
    readonly changed?: number;
    readonly uid?: number;
    readonly identity?: string;
  } = {},
): string => record("entry", kind, identity, String(uid), String(changed), parent, name);

export const manifest = (labels: Readonly<Record<string, string>>): string =>
  record("manifest.json", JSON.stringify({ format_version: 1, labels }));
