import { request } from "node:http";
import { basename, dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import type { Project, ProjectOptions } from "../e2e/cli.ts";
import type { Search } from "./canary-search.ts";
import type { TestServices } from "./services.ts";

// Whatever an engine tells and keeps of its containers, for a search.

type Answered = Readonly<Record<string, string>>;

/** How each kind is listed, and what the list calls one of it: Docker's own words, which Podman answers too. */
const LISTS = {
  container: ["/containers/json?all=1", "Id", (answer: unknown) => answer as Answered[]],
  image: ["/images/json?all=1", "Id", (answer: unknown) => answer as Answered[]],
  network: ["/networks", "Name", (answer: unknown) => answer as Answered[]],
  volume: [
    "/volumes",
    "Name",
    (answer: unknown) => (answer as { Volumes?: Answered[] | null }).Volumes ?? [],
  ],
} as const;

export interface CanaryEngine {
  readonly name: "docker" | "podman";
  readonly project: (services: TestServices) => ProjectOptions;
  readonly socket: (services: TestServices) => string;
  /** The program above a main program, begun with the container's own environment. */
  readonly init: string;
  /** Arguments of `top` that show this machine's own pids. */
  readonly top: readonly string[];
  readonly events: readonly string[];
  /** What its API answers about each of a kind. */
  readonly answers: Readonly<Record<keyof typeof LISTS | "exec" | "engine", readonly string[]>>;
  /** Folders of an engine with this socket. */
  readonly keeps: (socket: string) => readonly string[];
  /** Files among these that hold the environment of a container, or of a command of it. */
  readonly files: readonly string[];
}

const besides = (socket: string, ...names: readonly string[]): readonly string[] =>
  names.map((name) => join(dirname(socket), name));

export const CANARY_ENGINES: readonly CanaryEngine[] = [
  {
    name: "docker",
    project: ({ docker }) => ({ docker: docker.host }),
    socket: ({ docker }) => docker.socket,
    init: "/sbin/docker-init",
    top: ["-eo", "pid,args"],
    events: ["--format", "{{json .}}"],
    answers: {
      container: [
        "/v1.41/containers/ID/json",
        "/v1.41/containers/ID/top?ps_args=-eo%20pid,args",
        "/v1.41/containers/ID/changes",
      ],
      image: ["/v1.41/images/ID/json", "/v1.41/images/ID/history"],
      network: ["/v1.41/networks/ID"],
      volume: ["/v1.41/volumes/ID"],
      exec: ["/v1.41/exec/ID/json"],
      engine: ["/v1.41/containers/json?all=1", "/v1.41/info"],
    },
    keeps: (socket) => besides(socket, "docker.data", "docker.exec"),
    files: ["/config.v2.json", "/docker.exec/containerd/"],
  },
  {
    name: "podman",
    project: ({ podman }) => ({ podman: podman.host }),
    socket: ({ podman }) => podman.socket,
    init: "/run/podman-init",
    top: ["hpid", "args"],
    events: ["--stream=false", "--format", "json"],
    answers: {
      container: [
        "/v1.41/containers/ID/json",
        "/v4.0.0/libpod/containers/ID/json",
        "/v4.0.0/libpod/containers/ID/top?ps_args=hpid,args",
        "/v4.0.0/libpod/containers/ID/changes",
        "/v4.0.0/libpod/generate/kube?names=ID",
        "/v4.0.0/libpod/generate/ID/systemd",
      ],
      image: ["/v4.0.0/libpod/images/ID/json", "/v4.0.0/libpod/images/ID/history"],
      network: ["/v4.0.0/libpod/networks/ID/json"],
      volume: ["/v4.0.0/libpod/volumes/ID/json"],
      exec: ["/v1.41/exec/ID/json", "/v4.0.0/libpod/exec/ID/json"],
      engine: [
        "/v4.0.0/libpod/containers/json?all=true",
        "/v4.0.0/libpod/pods/json",
        "/v4.0.0/libpod/secrets/json",
        "/v4.0.0/libpod/info",
      ],
    },
    // Its storage, database, events, exec sessions and networks are below the folder of its socket.
    keeps: (socket) => [dirname(socket)],
    files: ["/userdata/config.json", "/exec-process-", "/bolt_state.db", "/events.log"],
  },
];

/**
 * Not what an engine keeps: what a main program itself printed (`ctr.log`, `…-json.log`), the memory that a container
 * shares with itself alone (`shm`), and a mounted file system, of which the layers are read (`merged`).
 */
function isContainersOwn(path: string): boolean {
  const name = basename(path);
  return name === "ctr.log" || name.endsWith("-json.log") || name === "shm" || name === "merged";
}

/** Whatever the engine can be asked for, and all that it keeps. */
export async function searchEngine(
  search: Search,
  engine: CanaryEngine,
  project: Project,
  socket: string,
  since: number,
): Promise<void> {
  const answers = async (kind: keyof CanaryEngine["answers"], id = ""): Promise<void> => {
    for (const path of engine.answers[kind]) {
      search.note(`${kind} ${path} ${id}`, await ask(socket, path.replace("ID", id)));
    }
  };
  await answers("engine");
  for (const kind of ["container", "image", "network", "volume"] as const) {
    const [path, key, rows] = LISTS[kind];
    const listed = await ask(socket, `/v1.41${path}`);
    // What other tests take away meanwhile is answered with an error.
    for (const each of rows(JSON.parse(listed))) await answers(kind, each[key]);
  }
  for (const name of await project.containers()) {
    for (const id of await execsOf(socket, name)) await answers("exec", id);
  }
  const range = ["--since", String(since), "--until", String(Math.ceil(Date.now() / 1000))];
  search.note("events", await project.docker("events", ...range, ...engine.events));
  for (const folder of engine.keeps(socket)) await search.below(folder, isContainersOwn);
}

/** Commands of a container that its engine still knows of; Podman forgets one five minutes after its end. */
async function execsOf(socket: string, name: string): Promise<readonly string[]> {
  const { ExecIDs } = JSON.parse(await ask(socket, `/v1.41/containers/${name}/json`)) as {
    ExecIDs: string[] | null;
  };
  return ExecIDs ?? [];
}

/** Whether a command whose argv ends with these words runs there now. */
export async function runsThere(socket: string, name: string, words: string): Promise<boolean> {
  const execs = await execsOf(socket, name);
  const told = await Promise.all(execs.map(async (id) => await ask(socket, `/v1.41/exec/${id}/json`)));
  return told.some((each) => {
    const { Running, ProcessConfig: argv } = JSON.parse(each) as {
      Running?: boolean;
      ProcessConfig?: { entrypoint: string; arguments: string[] | null };
    };
    return Running === true && [argv?.entrypoint, ...(argv?.arguments ?? [])].join(" ").endsWith(words);
  });
}

async function ask(socketPath: string, path: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    request({ socketPath, path }, (answer) => resolve(text(answer)))
      .on("error", reject)
      .end();
  });
}
