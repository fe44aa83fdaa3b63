import { afterAll, beforeAll, expect, test } from "vitest";
import { bridgeAddress, EgressWorld, importNodeImage, NODE_IMAGE } from "../support/egress-world.ts";
import { FilteringEngine } from "../support/filtering-engine.ts";
import { describeWithServices } from "../support/services.ts";
import type { Ran } from "./cli.ts";
import { actionsOf, eventually, outcomesOf, Project, reasonsOf } from "./cli.ts";

// Default deny on a real engine: a sandbox behind a gate, a site and a name server beyond it, and every way round it.

let project: Project;
let world: EgressWorld;

const config = (allow: readonly string[]): string => `
[sandbox]
backend = "docker"
ready = { command = ["true"], interval = "50ms" }
docker.image = "sandkeep-test/busybox:1"
[agents.work.sandbox.egress]
allow = ${JSON.stringify(allow)}
image = "${NODE_IMAGE}"
[agents.build]
sandbox.docker.network = "build"
[networks.build]
internal = true
`;

async function inside(script: string): Promise<Ran> {
  return await project.run(["run", "--agent", "work", "--timeout", "60s", "--", "sh", "-c", script]);
}

/** Asks whom the sandbox is told to ask. The static busybox of the image cannot look names up in wget. */
const fetched = (url: string): Promise<Ran> =>
  inside(
    `gate=\${http_proxy#http://}; { printf 'GET ${url} HTTP/1.0\\r\\n\\r\\n'; sleep 2; } | nc -w 4 \${gate%:*} \${gate#*:}`,
  );
/** Straight out, as a program that means harm would go. */
const straight = (host: string, port: number): Promise<Ran> =>
  inside(`printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 ${host} ${port}`);
const connect = (target: string): Promise<Ran> =>
  inside(
    `{ printf 'CONNECT ${target} HTTP/1.1\\r\\n\\r\\n'; sleep 1; } | nc -w 4 egress-gate 3128 | head -n 1`,
  );

async function idOf(agent: string): Promise<string> {
  const found = (await project.list()).find((each) => each.address === `agent/${agent}`);
  if (found === undefined || found.object_id === null) throw new Error(`there is no ${agent}`);
  return found.object_id;
}

async function networkChanges(): Promise<Record<string, string>> {
  const plan = await project.plan();
  const changing = (plan.networks ?? []).filter((each) => each.action !== "no-op");
  return Object.fromEntries(changing.map((each) => [each.network, each.action]));
}

describeWithServices("a sandbox behind a gate", (services) => {
  beforeAll(async () => {
    const { host } = services().docker;
    await importNodeImage(host);
    world = await EgressWorld.open(await bridgeAddress(host));
    project = await Project.open({ docker: host });
    await project.config(config([`allowed.test:${world.port}`, `rebind.test:${world.port}`]));
  });
  afterAll(async () => {
    await project[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  test("plan tells the networks, what can leave them and what sees to that; apply makes them, once", async () => {
    const plan = await project.run(["plan"]);
    expect(plan.stdout).toContain("egress/agent/work");
    expect(plan.stdout).toContain(`only allowed.test:${world.port}`);
    expect(plan.stdout).toContain("network/build");
    expect(outcomesOf(await project.apply())).toEqual({
      "agent/build": "create done",
      "agent/work": "create done",
      "egress/agent/work": "create done",
      "network/build": "create done",
    });
    expect(await project.run(["plan", "--detailed-exitcode"])).toMatchObject({ code: 0 });
    expect(await project.apply()).toMatchObject({ calls: { write: 0 }, outcomes: [] });
    expect((await project.run(["explain", "--agent", "work"])).stdout.replaceAll(/\s+/g, " ")).toContain(
      "a gate (sandkeep-test/node:1) is its only way out",
    );
    expect(await project.json("list")).toMatchObject({
      networks: [
        { network: "egress/agent/work", status: "ready" },
        { network: "network/build", status: "ready" },
      ],
    });
  });

  test("the allowed host is reached through the gate, by name, with nothing to set up", async () => {
    expect(await fetched(`http://allowed.test:${world.port}/a`)).toMatchObject({
      stdout: expect.stringMatching(/ 200 OK[^]*reached/) as string,
    });
    expect((await connect(`allowed.test:${world.port}`)).stdout).toContain("200");
    expect(world.hits).toContain(`allowed.test:${world.port} /a`);
  });

  test("every other host, raw address, port and the metadata address are denied, and nothing arrives", async () => {
    world.hits.length = 0;
    const { address, port } = world;
    for (const target of [
      `denied.test:${port}`,
      `${address}:${port}`,
      "allowed.test:22",
      "169.254.169.254:80",
    ])
      expect((await connect(target)).stdout, target).toContain("403");
    for (const url of [
      `http://denied.test:${port}/`,
      `http://${address}:${port}/`,
      "http://169.254.169.254/",
    ])
      expect((await fetched(url)).stdout, url).toContain("403");
    // A listed name whose owner points it at the metadata address.
    // A busy machine may not have answered the question for its address yet, which is told otherwise.
    const rebound = async (): Promise<string> => (await connect(`rebind.test:${port}`)).stdout;
    await expect.poll(rebound, { timeout: 60_000, interval: 500 }).toContain("403");
    expect(world.hits).toEqual([]);
  });

  test("there is no way round the gate: not straight, not by the engine's machine, not with a forged Host", async () => {
    const { address, port } = world;
    const ways = [
      [address, port],
      ["169.254.169.254", 80],
      ["allowed.test", port],
    ] as const;
    for (const [host, at] of ways) expect((await straight(host, at)).code, host).not.toBe(0);
    const gateway = await inside("ip route | sed -n 's/^default via \\([^ ]*\\).*/\\1/p'");
    if (gateway.stdout.trim() !== "") expect((await straight(gateway.stdout.trim(), port)).code).not.toBe(0);
    const forged = `printf 'GET http://denied.test:${port}/ HTTP/1.1\\r\\nHost: allowed.test:${port}\\r\\n\\r\\n'`;
    expect((await inside(`${forged} | nc -w 4 egress-gate 3128 | head -n 1`)).stdout).toContain("403");
    expect(world.hits).toEqual([]);
    // The same from a container on the bridge arrives, so that the silence above means something.
    const open = `printf 'GET /open HTTP/1.0\\r\\n\\r\\n' | nc -w 3 ${address} ${port}`;
    await project.docker("run", "--rm", "sandkeep-test/busybox:1", "sh", "-c", open);
    expect(world.hits).toEqual([" /open"]);
  });

  test("the gate is nobody else's way out: not of a container on the bridge that it also stands on", async () => {
    const gate = (await project.containers()).find((each) => each.endsWith("-gate")) ?? "";
    const format = "{{.NetworkSettings.Networks.bridge.IPAddress}}";
    const at = await project.docker("inspect", "-f", format, gate);
    const ask = `{ printf 'CONNECT allowed.test:${world.port} HTTP/1.1\\r\\n\\r\\n'; sleep 1; } | nc -w 4 ${at} 3128`;
    const said = project.docker("run", "--rm", "sandkeep-test/busybox:1", "sh", "-c", `${ask}; true`);
    expect(await said).toBe("");
    // Its own is let through, so the silence above means something; a busy machine may need another try.
    await eventually("the way out of the sandbox itself", async () => {
      const { stdout } = await connect(`allowed.test:${world.port}`);
      return stdout.includes("200") ? stdout : undefined;
    });
  });

  test("names do not get out: neither by the engine's name server nor by one asked straight", async () => {
    world.asked.length = 0;
    await inside(`nslookup secret.leak.test; nslookup secret.leak.test ${world.address}; true`);
    expect(world.asked.filter((name) => name.includes("leak"))).toEqual([]);
    // The same question from a container on the bridge arrives, so the silence above means something.
    await project.docker(
      "run",
      "--rm",
      "sandkeep-test/busybox:1",
      "sh",
      "-c",
      "nslookup open.leak.test; true",
    );
    expect(world.asked).toContain("open.leak.test");
  });

  test("a changed list replaces the gate and leaves the sandbox alone", async () => {
    const before = await idOf("work");
    await project.config(config([`denied.test:${world.port}`]));
    expect(actionsOf(await project.plan())).toEqual({});
    expect(await networkChanges()).toEqual({ "egress/agent/work": "update" });
    expect(outcomesOf(await project.apply())).toEqual({ "egress/agent/work": "update done" });
    expect(await idOf("work")).toBe(before);
    expect((await fetched(`http://denied.test:${world.port}/b`)).stdout).toContain("reached");
    expect((await fetched(`http://allowed.test:${world.port}/b`)).stdout).toContain("403");
  });

  test("without its gate the sandbox is closed, and apply brings the gate back", async () => {
    const gate = (await project.containers()).find((each) => each.endsWith("-gate")) ?? "";
    await project.docker("rm", "-f", gate);
    world.hits.length = 0;
    expect((await fetched(`http://denied.test:${world.port}/c`)).code).not.toBe(0);
    expect((await straight(world.address, world.port)).code).not.toBe(0);
    expect(world.hits).toEqual([]);
    expect(await project.json("list")).toMatchObject({ networks: [{ status: "closed" }, {}] });
    expect(await networkChanges()).toEqual({ "egress/agent/work": "update" });
    await project.apply();
    expect((await fetched(`http://denied.test:${world.port}/d`)).stdout).toContain("reached");
  });

  test("a sandbox that somebody connects to another network, or takes off its own, is drift", async () => {
    const name =
      (await project.containers()).find((each) => !each.endsWith("-gate") && each.includes("work")) ?? "";
    await project.docker("network", "connect", "bridge", name);
    const reasons = reasonsOf(await project.plan(), "agent/work");
    expect(reasons).toMatchObject({ "docker.network": ["bridge,egress", "egress"] });
    expect(outcomesOf(await project.apply())).toEqual({ "agent/work": "recreate done" });
    expect((await straight(world.address, world.port)).code).not.toBe(0);
    const built = (await project.containers()).find((each) => each.includes("build")) ?? "";
    const [network = ""] = (await project.networks()).filter((each) => each.includes("-net-"));
    await project.docker("network", "disconnect", network, built);
    expect(actionsOf(await project.plan())).toEqual({ "agent/build": ["recreate"] });
    await project.apply();
    expect(await project.run(["plan", "--detailed-exitcode"])).toMatchObject({ code: 0 });
  });

  test("a network removed under a stopped sandbox comes back, with the sandbox", async () => {
    const built = (await project.containers()).find((each) => each.includes("build")) ?? "";
    const [network = ""] = (await project.networks()).filter((each) => each.includes("-net-"));
    await project.docker("stop", "-t", "0", built);
    await project.docker("network", "rm", network);
    expect(await networkChanges()).toEqual({ "network/build": "create" });
    await project.apply();
    expect(await project.networks()).toContain(network);
    expect(await project.run(["plan", "--detailed-exitcode"])).toMatchObject({ code: 0 });
  });

  test("another shape is another network: the sandbox moves, and the old one goes", async () => {
    const before = await project.networks();
    await project.edit("internal = true", 'internal = true\nsubnet = "10.99.13.0/24"');
    expect(await networkChanges()).toEqual({ "network/build": "remove" });
    const result = outcomesOf(await project.apply());
    expect(result).toMatchObject({ "agent/build": "recreate done" });
    const after = await project.networks();
    expect(after).toHaveLength(before.length);
    expect(after).not.toEqual(before);
    expect(await project.run(["plan", "--detailed-exitcode"])).toMatchObject({ code: 0 });
  });

  test("another shape with the same addresses takes them over, once nobody is on the old one", async () => {
    await project.edit('subnet = "10.99.13.0/24"', 'subnet = "10.99.13.0/24"\ngateway = "10.99.13.9"');
    const used = await project.run(["plan"]);
    expect(used.code).toBe(3);
    expect(used.stdout).toContain("has the same subnet 10.99.13.0/24 and is still used by");
    await project.ok("destroy", "agent/build", "--yes");
    const [old = ""] = (await project.networks()).filter((each) => each.includes("-net-"));
    const result = outcomesOf(await project.apply());
    expect(result).toMatchObject({ "agent/build": "create done" });
    expect((await project.networks()).filter((each) => each.includes("-net-"))).not.toContain(old);
    expect(await project.run(["plan", "--detailed-exitcode"])).toMatchObject({ code: 0 });
  });

  test("a name that somebody else's network holds blocks, with the reason, and is never touched", async () => {
    const { name } = (await project.plan()).networks?.find((each) => each.network === "network/build") ?? {};
    await project.ok("destroy", "agent/build", "--yes");
    await project.docker("network", "rm", name ?? "");
    const id = await project.docker("network", "create", "--internal", name ?? "");
    const plan = await project.run(["plan"]);
    expect(plan.code).toBe(3);
    expect(plan.stdout).toContain("not of this fleet");
    await project.apply();
    expect(await project.docker("network", "inspect", "-f", "{{.Id}}", name ?? "")).toBe(id);
    await project.docker("network", "rm", id);
    await project.apply();
  });

  test("one of ours that somebody remade open blocks, with what is wrong and how to mend it", async () => {
    const [name = ""] = (await project.networks()).filter((each) => each.includes("-net-"));
    const labels = JSON.parse(
      await project.docker("network", "inspect", "-f", "{{json .Labels}}", name),
    ) as object;
    const given = Object.entries(labels).flatMap(([key, value]) => ["--label", `${key}=${String(value)}`]);
    const built = (await project.containers()).find((each) => each.includes("build")) ?? "";
    await project.docker("network", "disconnect", "-f", name, built);
    await project.docker("network", "rm", name);
    const shape = ["--subnet", "10.99.13.0/24", "--gateway", "10.99.13.9"];
    const id = await project.docker("network", "create", ...shape, ...given, name);
    await project.docker("network", "connect", name, built);
    const plan = await project.run(["plan"]);
    expect(plan.code).toBe(3);
    const told = plan.stdout.replaceAll(/\s+/g, " ");
    expect(told).toContain("it is not as sandkeep makes it: internal (asked true, found false)");
    expect(told).toContain("docker network rm");
    const changes = (await project.plan()).networks ?? [];
    expect(changes.find((each) => each.name === name)?.differences).toEqual([
      { path: "internal", before: false, after: true },
    ]);
    // Nothing is done to it but by hand, as the plan says; then it is made as it was.
    expect((await project.apply()).exit_code).toBe(3);
    expect(await project.docker("network", "inspect", "-f", "{{.Id}}", name)).toBe(id);
    await project.docker("rm", "-f", built);
    await project.docker("network", "rm", name);
    expect((await project.apply()).exit_code).toBe(0);
    expect(await project.docker("network", "inspect", "-f", "{{.Internal}}", name)).toBe("true");
    expect(await project.run(["plan", "--detailed-exitcode"])).toMatchObject({ code: 0 });
  });

  test("prune leaves networks that are declared; destroy takes all of them", async () => {
    await project.ok("prune", "--yes");
    expect(await project.networks()).toHaveLength(2);
    await project.ok("destroy", "--all", "--yes");
    expect(await project.networks()).toEqual([]);
    expect(await project.containers()).toEqual([]);
  });

  test("killed at any moment of the making, the next apply converges and leaves nothing over", async () => {
    await project.config(config(["allowed.test"]));
    let killed = 0;
    for (const delay of [400, 800, 1_400]) {
      const { child, ended } = project.start(["apply", "--yes"]);
      setTimeout(() => child.kill("SIGKILL"), delay);
      if ((await ended).code === null) killed += 1;
      await eventually("an apply after the kill", async () => {
        const ran = await project.run(["apply", "--yes"]);
        return ran.code === 0 ? true : undefined;
      });
      expect(await project.run(["plan", "--detailed-exitcode"])).toMatchObject({ code: 0 });
      expect(await project.networks()).toHaveLength(2);
      expect(await project.containers()).toHaveLength(3);
      await project.ok("destroy", "--all", "--yes");
      expect([await project.networks(), await project.containers()]).toEqual([[], []]);
    }
    expect(killed).toBeGreaterThan(0);
  }, 300_000);
});

describeWithServices("agents on named networks", (services) => {
  test("get out of one that is not internal, and not out of one that is", async () => {
    const { host, images } = services().docker;
    await using engine = await FilteringEngine.open(host, images.busybox);
    await using named = await Project.open({ docker: engine.host });
    await named.config(`
[sandbox]
backend = "docker"
docker.image = "sandkeep-test/busybox:1"
[agents.closed.sandbox]
docker.network = "closed"
[agents.open.sandbox]
docker.network = "open"
[networks.closed]
internal = true
[networks.open]
`);
    expect((await named.apply()).exit_code).toBe(0);
    const reach = (agent: string): Promise<Ran> => {
      const ask = `printf 'GET /${agent} HTTP/1.0\\r\\n\\r\\n' | nc -w 3 ${engine.outside} 80`;
      return named.run(["run", "--agent", agent, "--timeout", "60s", "--", "sh", "-c", ask]);
    };
    const shut = await reach("closed");
    expect(shut.code).not.toBe(0);
    expect(shut.stdout).not.toContain("reached");
    // The same from the other arrives, so the silence above means something.
    expect((await reach("open")).stdout).toContain("reached");
    expect(engine.hits).toEqual(["/open"]);
  });
});
