import { randomBytes } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EXAMPLES, Example, MAIN, execute, expectSchema, stable } from "../examples/example.ts";
import { blocks, readPage } from "../examples/readme.ts";
import type { TestServices } from "../support/services.ts";
import { describeWith, describeWithServices } from "../support/services.ts";

const golden = (name: string) => `../examples/golden/${name}.plan.txt`;

/** What is run in which session, to prove that the sandboxes work. */
interface Use {
  readonly args: readonly string[];
  readonly prints: string;
}

interface Proof {
  readonly name: string;
  readonly creates: readonly string[];
  readonly uses: readonly Use[];
}

const LOCAL: readonly Proof[] = [
  {
    name: "quickstart",
    creates: ["agent/main", "agent/review"],
    uses: [
      { args: ["--agent", "main", "--", "sh", "-c", "echo $GREETING"], prints: "hello\n" },
      {
        args: ["--agent", "review", "--", "sh", "-c", "cat ~/setup.txt; ls"],
        prints: "made by setup\nnotes.txt\n",
      },
    ],
  },
  {
    name: "runs",
    creates: ["agent/main"],
    uses: [{ args: ["--", "sh", "-c", "mkdir -p out && echo made | tee out/report"], prints: "made\n" }],
  },
  {
    name: "staged",
    creates: ["agent/main"],
    uses: [{ args: ["--", "sh", "-c", "echo more >> notes.txt; cat notes.txt"], prints: "A note.\nmore\n" }],
  },
];

const DOCKER: readonly Proof[] = [
  {
    name: "single-agent-docker",
    creates: ["agent/main"],
    uses: [
      {
        args: ["--", "sh", "-c", "pwd; ls; touch made && ls made"],
        prints: "/workspace\nREADME.md\nsandkeep.toml\nmade\n",
      },
      { args: ["--", "sh", "-c", "touch /etc/x 2>/dev/null || echo read-only"], prints: "read-only\n" },
    ],
  },
  {
    name: "team",
    creates: ["agent/backend", "agent/ops"],
    uses: [
      { args: ["--agent", "backend", "--session", "review", "--", "touch", "made"], prints: "" },
      {
        args: ["--agent", "docs", "--", "sh", "-c", "ls; touch x 2>/dev/null || echo read-only"],
        prints: "README.md\nagents\nmade\nsandkeep.toml\nread-only\n",
      },
      { args: ["--session", "agent:ops:incident", "--", "sh", "-c", "echo $CI"], prints: "1\n" },
      { args: ["--agent", "ops", "--", "pwd"], prints: "<fleet>\n" },
    ],
  },
  {
    name: "ci",
    creates: ["agent/builder", "agent/reviewer"],
    uses: [{ args: ["--agent", "builder", "--", "pwd"], prints: "/workspace\n" }],
  },
  {
    name: "build-host",
    creates: ["agent/builder"],
    uses: [{ args: ["--agent", "reviewer", "--", "pwd"], prints: "/workspace\n" }],
  },
];

const BUBBLEWRAP: Proof = {
  name: "per-session",
  creates: ["session/agent:triage:nightly"],
  uses: [
    {
      args: [
        "--agent",
        "reviewer",
        "--session",
        "pr-12",
        "--",
        "sh",
        "-c",
        "pwd; touch x 2>/dev/null || echo read-only",
      ],
      prints: "/workspace\nread-only\n",
    },
    {
      args: [
        "--agent",
        "triage",
        "--session",
        "nightly",
        "--",
        "sh",
        "-c",
        "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '",
      ],
      prints: "lo\n",
    },
  ],
};

/** Planned here; that what they ask for works is proved where its backend or network is. */
const PLANNED = ["buildkit", "egress", "hosts"];

async function showsThePlan(
  name: string,
  env: Readonly<Record<string, string>>,
  adapt: (example: Example) => void = () => {},
): Promise<void> {
  await using example = await Example.of(name, env);
  adapt(example);
  expect(await example.answer("validate", "validate")).toEqual({ ok: true, diagnostics: [] });
  await example.answer("explain", "explain");
  await example.answer("plan", "plan");
  const planned = await example.sandkeep("plan", "--verbose");
  expect(planned).toMatchObject({ code: 0, stderr: "" });
  await expect(stable(planned.stdout)).toMatchFileSnapshot(golden(name));
}

async function works(
  { name, creates, uses }: Proof,
  env: Readonly<Record<string, string>>,
  image?: string,
): Promise<void> {
  await using example = await Example.of(name, env);
  const fleet = `ex-${randomBytes(4).toString("hex")}`;
  example.rewrite((text) => {
    const named = text.replace(/^fleet {4}= ".*"$/m, `fleet = "${fleet}"`);
    return image === undefined ? named : named.replace(/^image( *)= ".*"$/m, `image$1= "${image}"`);
  });
  try {
    const applied = await example.answer("apply", "apply", "--yes");
    expect(applied).toMatchObject({
      exit_code: 0,
      outcomes: creates.map((address) => ({ address, action: "create", status: "done" })),
    });
    expect((await example.sandkeep("plan", "--detailed-exitcode")).code).toBe(0);
    for (const { args, prints } of uses) {
      const ended = await example.sandkeep("run", ...args);
      expect(
        { args, stdout: ended.stdout.replaceAll(example.fleet, "<fleet>"), code: ended.code },
        ended.stderr,
      ).toEqual({ args, stdout: prints, code: 0 });
    }
    const [first] = uses;
    await example.answer("run", "run", ...(first?.args ?? []));
    expect(await example.answer("list", "list")).toMatchObject({ orphans: [], foreign: [], dormant: [] });
    const cycle = await example.sandkeep("watch", "--once", "--json");
    expect(cycle.code, cycle.stderr).toBe(0);
    const events = cycle.stdout.trim().split("\n");
    for (const line of events) expectSchema("event", JSON.parse(line));
    expect((await example.sandkeep("plan", "--detailed-exitcode")).code).toBe(0);
  } finally {
    const gone = await example.sandkeep("destroy", "--all", "--unprotect", "--yes");
    expect(gone.code, gone.stderr).toBe(0);
  }
  const { stdout } = await example.sandkeep("list", "--all", "--json");
  const { runtimes } = JSON.parse(stdout) as { readonly runtimes: readonly { readonly status: string }[] };
  expect(runtimes.filter(({ status }) => status !== "missing")).toEqual([]);
}

test("every example is proved here", () => {
  const names = readdirSync(EXAMPLES).toSorted();
  const proved = [...LOCAL, ...DOCKER, BUBBLEWRAP].map(({ name }) => name);
  expect([...proved, ...PLANNED].toSorted()).toEqual(names);
});

describe.each(LOCAL)("$name", (proof) => {
  test("shows the golden plan", () => showsThePlan(proof.name, {}));
  test("works", () => works(proof, {}));
});

test("the guide to staged writes shows what sandkeep prints", async () => {
  await using example = await Example.of("staged");
  const [shown = ""] = blocks("console", readPage("examples/staged/README.md"));
  expect((await example.sandkeep("apply", "--yes")).code).toBe(0);
  let printed = "";
  for (const [, line = ""] of shown.matchAll(/^\$ sandkeep (.*)$/gm)) {
    const script = `'${process.execPath}' '${MAIN}' ${line} 2>&1`;
    const ended = await execute("sh", ["-c", script], { cwd: example.fleet, env: example.env });
    expect(ended.code, ended.stdout).toBe(0);
    printed += `$ sandkeep ${line}\n${ended.stdout}`;
  }
  expect(printed).toBe(shown);
});

/** Every image that an example names. */
function imagesNamed(): string[] {
  const files = readdirSync(EXAMPLES, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".toml"),
  );
  const texts = files.map((file) => readFileSync(join(EXAMPLES, file), "utf8"));
  return [
    ...new Set(
      texts.flatMap((text) => [...text.matchAll(/^image *= "([^"]*)"/gm)].map(([, ref = ""]) => ref)),
    ),
  ];
}

describeWithServices("examples on real services", (services) => {
  const docker = async (...args: readonly string[]) => {
    const ended = await execute("/usr/bin/docker", ["-H", services().docker.host, ...args], {
      cwd: EXAMPLES,
    });
    expect(ended.code, ended.stderr).toBe(0);
  };
  // What a plan says of an image that the engine lacks depends on whether a registry can be asked.
  beforeAll(async () => {
    for (const ref of imagesNamed()) await docker("tag", services().docker.images.busybox, ref);
  });
  afterAll(async () => {
    await docker("rmi", ...imagesNamed());
  });

  test("per-session shows the golden plan", () => showsThePlan("per-session", {}));
  test("per-session works", () => works(BUBBLEWRAP, {}));

  test("egress shows the golden plan", () => showsThePlan("egress", { DOCKER_HOST: services().docker.host }));

  test.each(DOCKER)("$name shows the golden plan", ({ name }) =>
    showsThePlan(name, { DOCKER_HOST: services().docker.host }),
  );
  // Most of their time they wait for a container to prove itself.
  test.concurrent.each(DOCKER)("$name works", (proof) => {
    const { host, images } = services().docker;
    return works(proof, { DOCKER_HOST: host }, images.busybox);
  });
});

describeWith(["docker", "buildx"], "the example on a BuildKit worker", (services) => {
  test("shows the golden plan", () => {
    const PATH = `${services().buildx.folder}:${process.env["PATH"] ?? ""}`;
    return showsThePlan("buildkit", { PATH }, (example) =>
      example.rewrite((text) => text.replace(`"docker://"`, `"docker://${services().docker.socket}"`)),
    );
  });
});

/** The host of the examples is the ssh server of this test run. */
function onTestHost(
  example: Example,
  { host, port, user, keyFile, knownHostsFile }: TestServices["ssh"],
): void {
  const access = `target = "${user}@${host}:${port}", identity_file = "${keyFile}", known_hosts_file = "${knownHostsFile}"`;
  example.rewrite((text) =>
    text
      // Whoever tried the example on this machine has sandboxes of it here.
      .replace(/^fleet_id = .*$/m, `fleet_id = "${randomBytes(3).toString("hex")}"`)
      .replace(/^ssh = \{.*$/m, `ssh = { ${access} }`)
      .replace(/^workspace_root = "[^"]*"/m, `workspace_root = "${example.root}/sandboxes"`),
  );
}

describeWith(["ssh"], "the example on an SSH host", (services) => {
  test("shows the golden plan", () =>
    showsThePlan("hosts", {}, (example) => onTestHost(example, services().ssh)));
});
