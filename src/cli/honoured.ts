/** A global flag that not every verb can honour. Those that only shape how a verb answers hold for all. */
export interface SelectiveFlag {
  readonly flag: "--file" | "--fleet" | "--target";
  /** Key among commander's option values. */
  readonly key: string;
  readonly env: string;
  /** Others refuse it: ignored, it would let a verb do something else than was asked. */
  readonly verbs: readonly string[];
  /** Verbs that refuse the twin in the environment too; to the rest it says nothing. */
  readonly twinRefusedBy: readonly string[];
}

const GOING_BY_A_CONFIG =
  "init validate explain plan apply watch list inspect recreate prune images salvage destroy run shell runs stage sync doctor events hold release";

export const HONOURED: readonly SelectiveFlag[] = [
  {
    flag: "--file",
    key: "file",
    env: "SANDKEEP_FILE",
    verbs: GOING_BY_A_CONFIG.split(" "),
    twinRefusedBy: [],
  },
  {
    flag: "--fleet",
    key: "fleet",
    env: "SANDKEEP_FLEET",
    verbs: [
      "init",
      "import",
      "list",
      "inspect",
      "prune",
      "salvage",
      "destroy",
      "runs",
      "stage",
      "doctor",
      "hold",
      "release",
    ],
    // Verbs that go by a config compare it with the config's own fleet.
    twinRefusedBy: [],
  },
  {
    flag: "--target",
    key: "target",
    env: "SANDKEEP_TARGET",
    verbs: ["plan", "apply", "list", "recreate", "prune", "destroy", "stage"],
    // It would change the whole fleet.
    twinRefusedBy: ["watch"],
  },
];
