import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

// What users of other tools suffer from and could suffer from here. Each `it` is a complaint that somebody made; it passes
// while the tests that show it to be impossible here are there by their names. Where they fail, the complaint is true.

const root = join(import.meta.dirname, "../..");

interface Complaint {
  readonly complaint: string;
  /** File below test/ and the name of the test in it, or of its `describe`. */
  readonly proved: readonly (readonly [file: string, title: string])[];
}

const SANDBOX_TOOLS: readonly Complaint[] = [
  {
    complaint: "a sandbox keeps its old settings for as long as it is used, and nobody is told",
    proved: [
      [
        "properties/policies.test.ts",
        "waits until it is idle, at most max_wait from the first time it was put off",
      ],
      ["properties/policies.test.ts", "is replaced as soon as the use has ended"],
      ["e2e/docker.test.ts", "what shapes a container replaces it, and the workspace stays"],
    ],
  },
  {
    complaint: "agents that share a sandbox replace it in turns, because each has another hash",
    proved: [
      ["properties/resolve.test.ts", "never lets two agents of one shared runtime differ in what shapes it"],
    ],
  },
  {
    complaint: "an override of a shared sandbox is ignored in silence",
    proved: [["properties/resolve.test.ts", "gives no fleet exactly when it reports an error"]],
  },
  {
    complaint: "list does not say which sandboxes are not as the config says",
    proved: [["e2e/docker-drift.test.ts", "list calls them drifted before, and none after"]],
  },
  {
    complaint: "there is no way to recreate just what does not match",
    proved: [["e2e/local.test.ts", "recreate --drifted replaces what list calls drifted, and nothing else"]],
  },
  {
    complaint: "a new option of the tool is not part of the hash, so old sandboxes never get it",
    proved: [
      ["drivers/field-table.test.ts", "has one row for every key that shapes a runtime, and no other"],
      [
        "contract/driver-contract.ts",
        "shows no drift right after creation, in any observable field of any spec",
      ],
    ],
  },
  {
    complaint: "dead processes of an agent pile up until no more can be started",
    proved: [["e2e/complaints.test.ts", "dead processes of an agent pile up until no more can be started"]],
  },
  {
    complaint: "prune leaves folders and volumes behind",
    proved: [
      ["e2e/docker.test.ts", "destroy goes by labels without a config, and leaves nothing of ours"],
      ["faults/engine/crash.test.ts", "the next apply puts it right"],
    ],
  },
  {
    complaint: "prune by age kills a sandbox that is at work",
    proved: [["properties/reconcile.test.ts", "never takes away what is in use unless its policy says so"]],
  },
  {
    complaint: "a replaced sandbox keeps the age of the one it replaced",
    proved: [["e2e/complaints.test.ts", "a replaced sandbox keeps the age of the one it replaced"]],
  },
  {
    complaint: "a failed start leaves a container until somebody prunes",
    proved: [
      ["e2e/docker-guards.test.ts", "a first creation that fails leaves nothing behind"],
      ["faults/rollback.test.ts", "leaves nothing behind when it would have been the first"],
    ],
  },
  {
    complaint: "two instances on one machine fight over a name",
    proved: [
      ["e2e/docker-guards.test.ts", "a fleet of the same name and another id is foreign"],
      ["e2e/docker-guards.test.ts", "a foreign container that holds our name blocks its address alone"],
    ],
  },
  {
    complaint: "binds and dropped capabilities of the config never reach the container",
    proved: [
      ["contract/docker-driver.test.ts", "reads back exactly what it was told to make"],
      ["e2e/docker.test.ts", "inside there is no network, no capability, and no way to write to the image"],
    ],
  },
  {
    complaint: "values of the environment stand in process arguments",
    proved: [
      [
        "contract/exec-contract.ts",
        "adds variables to the spec's own, without any of their values in an argv",
      ],
      ["e2e/secrets.test.ts", "a secret of a container reaches commands and nothing else"],
    ],
  },
  {
    complaint: "an engine that is away is told as stopped sandboxes, or not at all",
    proved: [
      ["e2e/docker-guards.test.ts", "an engine that is away exits 69 in every verb, and changes nothing"],
      ["contract/driver-contract.ts", "answers 'unobserved' when the engine is away, never an empty list"],
      ["e2e/complaints.test.ts", "or an engine that is away as stopped"],
    ],
  },
  {
    complaint: "one engine that fails makes list and recreate fail for all of them",
    proved: [["properties/policies.test.ts", "is left alone, while the others are put right"]],
  },
  {
    complaint: "a missing image fails late, after something was touched",
    proved: [
      ["e2e/docker-guards.test.ts", "an image that cannot be had fails before anything is touched"],
      ["e2e/images.test.ts", "never: what the engine lacks is refused by the plan, with the fix"],
    ],
  },
  {
    complaint: "recreate of what does not exist, or is mistyped, ends with success",
    proved: [["e2e/contract.test.ts", "refuses a mistyped address"]],
  },
  {
    complaint: "the only way to bind one more folder is to allow every folder",
    proved: [
      ["policy/security.test.ts", "must lie in the workspace or an allowed root"],
      ["policy/bypass.test.ts", "has no exception but one of its own, which is told with its reason"],
    ],
  },
  {
    complaint: "the sandbox cannot write to its own workspace",
    proved: [
      [
        "contract/docker-driver.test.ts",
        "gives every user a writable workspace of its own, and keeps the rest read-only",
      ],
      [
        "contract/docker-driver.test.ts",
        "runs as the workspace's owner, and never shows the state directory",
      ],
    ],
  },
  {
    complaint: "a command that is given up leaves its children running",
    proved: [["contract/docker-driver.test.ts", "signals the command and its children"]],
  },
  {
    complaint: "looking at a sandbox counts as using it, so that it lives for ever",
    proved: [["properties/activity.test.ts", "a hundred times is no use of anything, and wakes nobody"]],
  },
  {
    complaint: "after a restart of the tool its sandboxes are orphans, and a sweep kills those of a sibling",
    proved: [
      ["e2e/docker.test.ts", "losing the state directory leads to an empty plan, and prunes nothing"],
      ["properties/reconcile.test.ts", "never touches what is foreign, held or protected"],
    ],
  },
  {
    complaint: "the reaper looks for exited containers, and a sandbox never exits",
    proved: [
      [
        "e2e/docker.test.ts",
        "an idle container is pruned, dormant for every machine, and woken by its next use",
      ],
    ],
  },
  {
    complaint: "helper containers without a label leak",
    proved: [["faults/engine/site.ts", "a stranger"]],
  },
  {
    complaint: "explain says sandboxed, and the command runs on the host",
    proved: [
      ["desire/desire.test.ts", "is nothing for sessions that run on the host"],
      ["e2e/local.test.ts", "explain tells every value and who said so"],
    ],
  },
];

const APPLY_TOOLS: readonly Complaint[] = [
  {
    complaint: "a dry run changed something",
    proved: [["properties/reconcile.test.ts", "makes no mutating call, and neither do explain and list"]],
  },
  {
    complaint: "the exit code of a dry run says nothing, or not what its text says",
    proved: [
      ["e2e/local.test.ts", "plan tells what would be made, by exit code only when asked"],
      ["properties/policies.test.ts", "is the first that applies of 70, 1, 5, 4, 3, 69, 75, 2, 0"],
    ],
  },
  {
    complaint: "an upgrade of the tool, or a moved checkout, recreates everything",
    proved: [
      [
        "desire/hash.test.ts",
        "leaves out fields younger than it at their introduction default, and only there",
      ],
      ["drivers/docker/spec.test.ts", "has one golden form for version 1 of the hash"],
    ],
  },
  {
    complaint: "two kinds of digest of one image are compared, and it is replaced for nothing",
    proved: [
      [
        "e2e/images.test.ts",
        "track: an index that only got another attestation is no drift, and a new image in it is",
      ],
      ["e2e/images.test.ts", "track: what the docker CLI pulled by its index is known by it"],
    ],
  },
  {
    complaint: "a tag that moved is not seen",
    proved: [["e2e/docker-guards.test.ts", "a tag that moves to other content is drift of origin image"]],
  },
  {
    complaint: "limits that somebody changed on the running container are never compared",
    proved: [["e2e/docker-drift.test.ts", "named with before and after, and repaired"]],
  },
  {
    complaint: "the engine said that it changed a limit, and it did not",
    proved: [
      [
        "e2e/docker-live.test.ts",
        "that the engine took with a 200 and did not set fails the apply, which names it",
      ],
    ],
  },
  {
    complaint: "what is equal is shown as a difference for ever, because it is written in another way",
    proved: [
      [
        "contract/driver-contract.ts",
        "shows no drift right after creation, in any observable field of any spec",
      ],
      [
        "properties/reconcile.test.ts",
        "leaves nothing to be done but what it tells of, and a second one changes nothing",
      ],
    ],
  },
  {
    complaint: "an interrupted replacement leaves a container under a half name that nobody mends",
    proved: [["faults/engine/crash.test.ts", "the next apply puts it right"]],
  },
  {
    complaint: "the old one is removed before the new one is known to run",
    proved: [
      [
        "e2e/docker-guards.test.ts",
        "a command that ends at once is rolled back, and the old container runs on",
      ],
      ["faults/rollback.test.ts", "leaves the old runtime running"],
    ],
  },
  {
    complaint: "nobody can see why something is replaced",
    proved: [["e2e/docker-drift.test.ts", "a value of the config is told with its line"]],
  },
  {
    complaint: "a lock stays after its holder died, and a person must break it",
    proved: [
      [
        "faults/race.test.ts",
        "are kept apart by the lease, and a dead one's is taken without anybody's help",
      ],
    ],
  },
  {
    complaint: "protection goes away with the block that said so",
    proved: [["e2e/complaints.test.ts", "protection goes away with the block that said so"]],
  },
  {
    complaint: 'a creation whose answer was lost ends in "already exists" for ever',
    proved: [["apply/apply.test.ts", "whose answer was lost finds its own work"]],
  },
  {
    complaint: "a saved plan shows secrets",
    proved: [
      [
        "properties/secrets.test.ts",
        "is nowhere to be found: not in plans, events, journal, state, labels, listings or errors",
      ],
    ],
  },
  {
    complaint: "an approved plan does something else by the time it is applied",
    proved: [
      ["properties/saved-plan.test.ts", "that still fits does exactly what it says"],
      ["properties/saved-plan.test.ts", "leaves out what changed since, and does the rest"],
    ],
  },
  {
    complaint: "a broken or empty config wipes everything out",
    proved: [
      [
        "loop/watch.test.ts",
        "an edit is followed; a broken one keeps the last good config in force, and prunes nothing",
      ],
      ["properties/policies.test.ts", "a config without agents"],
    ],
  },
  {
    complaint: "constant file changes starve the watcher",
    proved: [["loop/time.test.ts", "constant pokes never starve a debounce"]],
  },
  {
    complaint: "self-healing never tries again, or its back-off never ends",
    proved: [
      ["loop/watch.test.ts", "a failing address backs off while others go on, and succeeds once it can"],
      ["loop/time.test.ts", "ten minutes of health, unbroken, make it forget"],
    ],
  },
  {
    complaint: "one failure starves the rest",
    proved: [["apply/apply.test.ts", "skips what depends on it, and nothing else"]],
  },
  {
    complaint: "an interrupted first apply makes every later plan and destroy fail",
    proved: [
      ["e2e/killed.test.ts", "killed at any moment, the next apply converges"],
      ["faults/engine/crash.test.ts", "the next apply puts it right"],
    ],
  },
  {
    complaint: "a plan remembers what it only looked at, and a later destroy deletes it",
    proved: [["e2e/docker.test.ts", "nothing else on the engine was touched in all this"]],
  },
];

describe.each([
  ["sandbox tools", SANDBOX_TOOLS],
  ["tools that plan and apply", APPLY_TOOLS],
])("users of %s complain that", (_, complaints) => {
  it.each(complaints)("$complaint", async ({ proved }) => {
    for (const [file, title] of proved) {
      expect(await readFile(join(root, "test", file), "utf8"), `${file} has no "${title}"`).toContain(title);
    }
  });
});
