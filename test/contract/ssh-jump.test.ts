// A host behind another one, on two real sshd processes: our key and our known hosts count for both.
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { SandkeepError } from "../../src/errors.ts";
import type { SshAccess } from "../../src/model/settings.ts";
import type { RemoteDeps } from "../../src/remote/access.ts";
import { openConnection } from "../../src/remote/open.ts";
import { describeWith } from "../support/services.ts";
import type { Cutter, Sshd } from "../support/sshd.ts";
import { startCutter, startSshd } from "../support/sshd.ts";

describeWith(["ssh"], "a host behind a jump host", () => {
  let home = "";
  let target: Sshd;
  let bastion: Sshd;
  let way: Cutter;
  let key = "";

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), "sandkeep-home-"));
    await mkdir(join(home, ".ssh"));
    target = await startSshd();
    key = await readFile(target.keyFile, "utf8");
    bastion = await startSshd([`AuthorizedKeysFile ${join(target.dir, "authorized_keys")}`]);
    way = await startCutter(bastion.port);
  });
  afterAll(async () => {
    await way?.[Symbol.asyncDispose]();
    await Promise.all([bastion?.[Symbol.asyncDispose](), target?.[Symbol.asyncDispose]()]);
    await rm(home, { recursive: true, force: true });
  });

  const line = (port: number, hostKey: string): string => `[127.0.0.1]:${String(port)} ${hostKey}`;
  /** Neither key is where ssh would look by itself. */
  function behind(jumpPort: number, transport: "ssh2" | "openssh", changes: Partial<SshAccess> = {}) {
    const {
      known_hosts_file: _,
      identity_file: __,
      ...written
    } = target.access({
      transport,
      jump: `${bastion.user}@127.0.0.1:${String(jumpPort)}`,
      identity: { env: "KEY" },
      known_hosts: `${line(jumpPort, bastion.hostKey)}\n${line(target.port, target.hostKey)}`,
      ...changes,
    });
    const deps: RemoteDeps = {
      env: { PATH: process.env["PATH"], HOME: home },
      secret: async () => key,
      randomId: () => "0123456789abcdef",
    };
    return openConnection("inner", written, deps);
  }
  const refusal = async (connection: ReturnType<typeof behind>): Promise<unknown> =>
    connection.script({ script: "true", args: [] }).catch((thrown: unknown) => thrown);

  for (const transport of ["ssh2", "openssh"] as const) {
    it(`is reached through it with the host's own key and known hosts, over ${transport}`, async () => {
      const before = way.connections();
      await using connection = behind(way.port, transport);
      const { stdout } = await connection.script({ script: 'echo "$1"', args: ["inside"] });
      expect(stdout.toString()).toBe("inside\n");
      expect(way.connections()).toBe(before + 1);
      const lost = connection.script({ script: "sleep 300", args: [] });
      // It is one connection all the way: what cuts it off from the jump host cuts it off from the host.
      const ended = expect(lost).rejects.toMatchObject({ kind: "unreachable" });
      await connection.script({ script: "true", args: [] });
      way.cut();
      await ended;
    });

    it(`is refused when the jump host shows a key that is not its own, over ${transport}`, async () => {
      const own = line(target.port, target.hostKey);
      const shown = line(bastion.port, bastion.hostKey);
      await using unknown = behind(bastion.port, transport, { known_hosts: own });
      expect(await refusal(unknown)).toMatchObject({ code: "SSH_HOST_KEY", kind: "denied" });
      expect(String(await refusal(unknown))).toContain(`Its line would be: ${shown}`);
      const wrong = `${own}\n${line(bastion.port, target.hostKey)}`;
      await using changed = behind(bastion.port, transport, { known_hosts: wrong });
      expect(String(await refusal(changed))).toContain(`The new line would be: ${shown}`);
      await using inner = behind(bastion.port, transport, { known_hosts: shown });
      expect(String(await refusal(inner))).toContain(`Its line would be: ${own}`);
    });

    it(`is told apart from a jump host that passes nobody on, over ${transport}`, async () => {
      await using closed = await startSshd([
        `AuthorizedKeysFile ${join(target.dir, "authorized_keys")}`,
        "AllowTcpForwarding no",
      ]);
      const known_hosts = `${line(closed.port, closed.hostKey)}\n${line(target.port, target.hostKey)}`;
      await using connection = behind(closed.port, transport, { known_hosts });
      const thrown = await refusal(connection);
      // The system's ssh does not say why.
      expect(thrown).toMatchObject({ kind: transport === "ssh2" ? "denied" : "unreachable" });
      expect(thrown instanceof SandkeepError && thrown.hint).toMatch(/forward/);
    });
  }
});
