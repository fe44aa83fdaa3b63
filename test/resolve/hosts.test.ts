import { join } from "node:path";
import { expect, it } from "vitest";
import { lineOf, resolveText, temporaryFolder } from "../support/fleet-text.ts";

const AGENT = "[agents.a]\n";

it("fills in how a host is reached, with paths from the config's folder", async () => {
  const folder = temporaryFolder();
  const text = `[hosts.build1]\nssh = { target = "ci@build1:2222", identity_file = "keys/ci", known_hosts_file = "/etc/kh" }\n${AGENT}`;
  const resolved = await resolveText(text, folder);
  expect(resolved.diagnostics).toEqual([]);
  const root = join(folder, "project");
  expect(resolved.fleet?.hosts["build1"]?.ssh).toEqual({
    target: "ci@build1:2222",
    identity_file: join(root, "keys/ci"),
    known_hosts_file: "/etc/kh",
    strict_host_key: true,
    transport: "auto",
    folder: root,
  });
});

it.each([
  [
    'ssh = { target = "b", identity_file = "k", identity = { env = "K" } }',
    "ssh-two-answers",
    "hosts.h.ssh.identity",
  ],
  [
    'ssh = { target = "b", known_hosts_file = "k", known_hosts = "b ssh-ed25519 AAAA" }',
    "ssh-two-answers",
    "hosts.h.ssh.known_hosts",
  ],
  [
    'ssh = { target = "b", certificate_file = "c" }',
    "ssh-certificate-without-key",
    "hosts.h.ssh.certificate_file",
  ],
  [
    'ssh = { target = "b", certificate = { env = "C" } }',
    "ssh-certificate-without-key",
    "hosts.h.ssh.certificate",
  ],
  [
    'ssh = { target = "b", identity_file = "k", certificate_file = "c", transport = "ssh2" }',
    "ssh-transport",
    "hosts.h.ssh.transport",
  ],
  ['ssh = { target = "ci@[::1]:70000" }', "ssh-port", "hosts.h.ssh.target"],
  ['ssh = { target = "b", jump = "c,d:70000" }', "ssh-port", "hosts.h.ssh.jump"],
])("refuses %s where it stands", async (line, code, path) => {
  const text = `[hosts.h]\n${line}\n${AGENT}`;
  const { diagnostics } = await resolveText(text);
  expect(diagnostics).toMatchObject([{ severity: "error", code, path, line: lineOf(text, "ssh =") }]);
});

it("takes an agent back to this machine where the fleet's default is a host", async () => {
  const text = `[sandbox]\nbackend = "docker"\nhost = "h"\ndocker = { image = "a" }\n[hosts.h]\ndocker = "tcp://h:2376"\n[agents.a]\n[agents.b.sandbox]\nbackend = "local"\nhost = "local"\n`;
  const { fleet, diagnostics } = await resolveText(text);
  expect(diagnostics).toEqual([]);
  expect(fleet?.agents.map(({ settings }) => settings.host)).toEqual(["h", "local"]);
});

it.each([
  ["ssh://build1", "ci@10.0.0.7:2222"],
  ["ssh://other@build1:22/run/worker.sock", "other@10.0.0.7:22"],
  ["ssh://10.0.0.7", "ci@10.0.0.7:2222"],
  ["ssh://ci@10.0.0.7/run/worker.sock", "ci@10.0.0.7:2222"],
  ["ssh://other@10.0.0.7", undefined],
  ["ssh://elsewhere", undefined],
  ["tcp://build1:1234", undefined],
])("reaches the worker at %s by the declared host it names, if it names one", async (endpoint, target) => {
  const text = `[hosts.build1]\nssh = { target = "ci@10.0.0.7:2222", identity_file = "/k", jump = "ci@bastion" }\n[sandbox]\nbackend = "buildkit"\nbuildkit = { endpoint = "${endpoint}", image = "i" }\n${AGENT}`;
  const { fleet } = await resolveText(text);
  const { behind } = fleet?.hosts[endpoint] ?? {};
  if (target === undefined) expect(behind).toBeUndefined();
  else
    expect(behind).toMatchObject({
      host: "build1",
      ssh: { target, identity_file: "/k", jump: "ci@bastion" },
    });
});
