import { spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import type { GateModules } from "../../../src/drivers/docker/gate-program.ts";
import {
  admit,
  isGuest,
  mayReach,
  parseRule,
  parseTarget,
  ruleFor,
  serve,
} from "../../../src/drivers/docker/gate-program.ts";
import { GATE_READY, gateText } from "../../../src/drivers/docker/gate-text.ts";

// The gate's program: its judgement as a table and as laws, and the whole of it over real sockets.

const judge = (allow: readonly string[], asked: string): boolean => {
  const target = parseTarget(asked, undefined);
  return target !== undefined && ruleFor(allow.map(parseRule), target) !== undefined;
};

describe("a list of hosts", () => {
  it.each([
    [["pypi.org"], "pypi.org:443", true],
    [["pypi.org"], "PyPI.org.:80", true],
    [["pypi.org"], "pypi.org:22", false],
    [["pypi.org"], "files.pypi.org:443", false],
    [["pypi.org"], "evilpypi.org:443", false],
    [["pypi.org"], "pypi.org.evil.com:443", false],
    [["*.npmjs.org"], "registry.npmjs.org:443", true],
    [["*.npmjs.org"], "a.b.npmjs.org:443", true],
    [["*.npmjs.org"], "npmjs.org:443", false],
    [["*.npmjs.org"], ".npmjs.org:443", false],
    [["*.npmjs.org"], "evilnpmjs.org:443", false],
    [["10.0.0.5:5432"], "10.0.0.5:5432", true],
    [["10.0.0.5:5432"], "10.0.0.5:443", false],
    [["10.0.0.5:5432"], "10.0.0.50:5432", false],
    [["[fd00::5]:443"], "[fd00::5]:443", true],
    [["pypi.org"], "169.254.169.254:80", false],
    [["pypi.org"], "2852039166:80", false],
    [["pypi.org"], "user@pypi.org:443", false],
    [["pypi.org"], "pypi.org:443:443", false],
    [["pypi.org"], "pypi.org\u0000.evil.com:443", false],
    [["pypi.org"], "pypi.org", false],
    [[], "pypi.org:443", false],
  ] as const)("%j lets %s through: %s", (allow, asked, allowed) => {
    expect(judge(allow, asked)).toBe(allowed);
  });

  it("lets nothing through that is neither listed nor below a wildcard", () => {
    const label = fc.stringMatching(/^[a-z0-9]{1,8}$/);
    const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("."));
    const rule = fc.tuple(fc.boolean(), name).map(([below, host]) => (below ? `*.${host}` : host));
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 5 }), name, (allow, host) => {
        const listed = allow.includes(host);
        const below = allow.some((each) => each.startsWith("*.") && host.endsWith(each.slice(1)));
        expect(judge(allow, `${host}:443`)).toBe(listed || below);
      }),
    );
  });
});

describe("where a name leads", () => {
  it.each([
    ["pypi.org", "151.101.0.223", true],
    ["db.corp", "10.0.0.5", true],
    ["pypi.org", "2a04:4e42::223", true],
    ["*.corp", "10.0.0.5", false],
    ["*.corp", "fd12::1", false],
    ["*.npmjs.org", "104.16.1.34", true],
    ["pypi.org", "169.254.169.254", false],
    ["pypi.org", "::ffff:169.254.169.254", false],
    ["pypi.org", "::ffff:a9fe:a9fe", false],
    ["pypi.org", "127.0.0.1", false],
    ["pypi.org", "::1", false],
    ["pypi.org", "0.0.0.0", false],
    ["pypi.org", "fe80::1", false],
    ["pypi.org", "fd00:ec2::254", false],
    ["pypi.org", "100.100.100.200", false],
    ["pypi.org", "not an address", false],
  ])("%s may lead to %s: %s", (rule, address, allowed) => {
    expect(mayReach(parseRule(rule), address, net)).toBe(allowed);
  });

  it("takes the address that is allowed of several, and none when none is", async () => {
    const dns = (...addresses: string[]) => {
      const found = addresses.map((address) => ({ address, family: net.isIP(address) }));
      return { dns: { lookup: () => Promise.resolve(found) }, net } as unknown as GateModules;
    };
    const target = { host: "pypi.org", port: 443 };
    const rules = [parseRule("pypi.org")];
    expect(await admit(rules, target, dns("169.254.169.254", "1.2.3.4"))).toBe("1.2.3.4");
    expect(await admit(rules, target, dns("169.254.169.254"))).toBeUndefined();
  });
});

describe("who is heard", () => {
  const guests = ["172.20.0.0/16", "fd00:1::/64"];
  it.each([
    ["172.20.0.2", "172.20.0.3", true],
    ["::ffff:172.20.0.2", "::ffff:172.20.0.3", true],
    ["fd00:1::2", "fd00:1::3", true],
    ["172.17.0.2", "172.17.0.3", false],
    ["172.20.0.2", "172.17.0.3", false],
    ["172.17.0.2", "172.20.0.3", false],
    ["127.0.0.1", "127.0.0.1", false],
    ["172.20.0.2", undefined, false],
  ])("to %s from %s: %s", (local, remote, heard) => {
    expect(isGuest(guests, [local, remote], net)).toBe(heard);
    expect(isGuest([], [local, remote], net)).toBe(false);
  });
});

describe("the proxy", () => {
  const open: { close(): void }[] = [];
  afterEach(() => {
    for (const each of open.splice(0)) each.close();
  });

  async function listening(server: http.Server | net.Server, host: string): Promise<number> {
    open.push(server);
    server.listen(0, host);
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  }

  /** Names of the test lead to an address of this machine that the gate does not know as its own. */
  async function gate(
    allow: (port: number) => readonly string[],
    guests: readonly string[] = ["127.0.0.0/8"],
  ) {
    const hits: string[] = [];
    const site = http.createServer((request, response) => {
      hits.push(`${request.method} ${request.headers.host} ${request.url}`);
      if (request.url === "/half") {
        response.writeHead(200, { "content-length": "100" });
        response.write("half", () => response.destroy());
      } else request.pipe(response);
    });
    const port = await listening(site, "127.0.0.1");
    const log: string[] = [];
    const lookup = (name: string) =>
      Promise.resolve([{ address: name === "inner.test" ? "169.254.169.254" : "198.51.100.7", family: 4 }]);
    const modules = {
      dns: { lookup },
      http: {
        createServer: http.createServer,
        request: (options: http.RequestOptions) => http.request({ ...options, host: "127.0.0.1" }),
      },
      net: {
        connect: (to: number) => net.connect(to, "127.0.0.1"),
        isIP: net.isIP,
        BlockList: net.BlockList,
      },
      log: (line: string) => void log.push(line),
    } as unknown as GateModules;
    const proxy = await listening(serve(allow(port).map(parseRule), guests, modules), "127.0.0.1");
    return { port, proxy, hits, log };
  }

  async function ask(proxy: number, lines: readonly string[], then = ""): Promise<string> {
    const socket = net.connect(proxy, "127.0.0.1");
    socket.setEncoding("utf8");
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
    let said = "";
    socket.on("data", (data: string) => {
      said += data;
      if (
        then !== "" &&
        said.includes("200 Connection Established\r\n\r\n") &&
        !said.includes("HTTP/1.1 200 OK")
      )
        socket.write(then);
    });
    await Promise.race([once(socket, "close"), once(socket, "end")]);
    socket.destroy();
    return said;
  }

  it("tunnels to what is listed, and refuses what is not", async () => {
    const { port, proxy, hits, log } = await gate((at) => [`allowed.test:${at}`, `inner.test:${at}`]);
    const inside = "GET /deep HTTP/1.1\r\nHost: allowed.test\r\nConnection: close\r\n\r\n";
    expect(await ask(proxy, [`CONNECT allowed.test:${port} HTTP/1.1`], inside)).toContain("HTTP/1.1 200 OK");
    expect(hits).toEqual(["GET allowed.test /deep"]);
    for (const denied of [
      `denied.test:${port}`,
      "allowed.test:22",
      `198.51.100.7:${port}`,
      "169.254.169.254:80",
      `inner.test:${port}`,
    ])
      expect(await ask(proxy, [`CONNECT ${denied} HTTP/1.1`]), denied).toContain("403 Forbidden");
    expect(hits).toHaveLength(1);
    expect(log.join("\n")).toContain(`denied CONNECT denied.test:${port}`);
  });

  it("hears nobody who is not on its network, whatever they ask for", async () => {
    const { port, proxy, hits, log } = await gate((at) => [`allowed.test:${at}`], ["10.0.0.0/8", "fd00::/8"]);
    for (const first of [`CONNECT allowed.test:${port}`, `GET http://allowed.test:${port}/`]) {
      const socket = net.connect(proxy, "127.0.0.1");
      let said = "";
      socket.on("data", (data) => (said += data.toString()));
      socket.on("error", () => undefined);
      socket.write(`${first} HTTP/1.1\r\n\r\n`);
      await once(socket, "close");
      expect(said).toBe("");
    }
    expect([hits, log]).toEqual([[], []]);
  });

  it("forwards plain requests by their URL, whatever the Host header claims", async () => {
    const { port, proxy, hits } = await gate((at) => [`allowed.test:${at}`]);
    const get = (url: string, host: string) =>
      ask(proxy, [`GET ${url} HTTP/1.1`, `Host: ${host}`, "Connection: close"]);
    expect(await get(`http://allowed.test:${port}/a?b=c`, "denied.test")).toContain("200 OK");
    expect(hits).toEqual([`GET allowed.test:${port} /a?b=c`]);
    expect(await get(`http://denied.test:${port}/`, `allowed.test:${port}`)).toContain("403 Forbidden");
    expect(await get(`http://allowed.test:${port}@denied.test/`, "x")).toContain("400 Bad Request");
    expect(await get("/", `allowed.test:${port}`)).toContain("400 Bad Request");
    expect(hits).toHaveLength(1);
  });

  it("ends an answer where its server ended it, so that nobody waits for the rest", async () => {
    const { port, proxy } = await gate((at) => [`allowed.test:${at}`]);
    // Kept alive, so that only the gate can end it.
    const said = await ask(proxy, [`GET http://allowed.test:${port}/half HTTP/1.1`, "Host: allowed.test"]);
    expect(said).toMatch(/ 200 OK[^]*half$/);
  });

  it("runs as a text of its own in a bare node, with the port and word that starters wait for", async () => {
    const text = gateText({ allow: ["pypi.org", '"; process.exit(7); "'], image: "x" }, ["10.1.0.0/16"]);
    const program = text.replace(".listen(3128,", ".listen(0,");
    expect(program).not.toBe(text);
    const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      const [said] = (await once(child.stdout, "data")) as [Buffer];
      expect(said.toString()).toContain(GATE_READY);
    } finally {
      child.kill("SIGTERM");
      expect(await once(child, "exit")).toEqual([0, null]);
    }
  });
});
