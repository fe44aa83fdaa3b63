import type { Driver } from "../drivers/driver.ts";
import type { KeyPath, Source } from "../model/source.ts";
import type { StageSettings } from "../model/stage.ts";

/**
 * What a runtime with staged writes needs from outside its engine: a copy of its workspace. Handed in with the engine, since
 * the copy is made, followed and settled by what stands above planning and applying.
 */
export interface StageKeeper {
  /** Before a runtime is made or started: its stage is there, whole, and where it can be worked in. */
  open(stage: StageRequest): Promise<void>;
  /** Before a run: what was left half done is finished, and a stage without changes follows the workspace. */
  beforeRun(stage: StageRequest): Promise<void>;
  /** After a run: what the rules apply by themselves is applied. Answers sentences for people. */
  afterRun(
    stage: StageRequest,
    rules: {
      readonly settings: StageSettings;
      readonly locate: (key: KeyPath) => Source | undefined;
    },
    /** Nothing will run in its runtime any more: without changes the stage goes. */
    last: boolean,
  ): Promise<readonly StageNote[]>;
  /**
   * Before a run in a workspace that is kept on another machine: what was done here since is there. Throws, and has moved
   * nothing, where both sides did something to a path, or somebody is at work in it.
   */
  bringThere(request: BringRequest): Promise<readonly StageNote[]>;
  /** After its runtime was taken away for good: without changes the stage goes, and else is nobody's any more. */
  leave(stage: Pick<StageRequest, "fleet" | "address">): Promise<void>;
  /** After a run with staged writes on another machine: what the agent did there is in the stage here. */
  fetchBack(request: BringRequest): Promise<void>;
  /** Before its workspace on another machine is deleted, with the address held: the same, whoever works there still. */
  collect(request: BringRequest): Promise<void>;
  /** How a copy of this workspace is, or would be, kept, found out by looking only. */
  foresee(stage: Partial<StageRequest> & Pick<StageRequest, "source">): Promise<string>;
  /** How many changes would be left behind when the runtime goes; undefined where there is no stage. */
  unapplied(stage: Pick<StageRequest, "fleet" | "address">): Promise<number | undefined>;
}

export interface StageRequest {
  readonly fleet: string;
  readonly address: string;
  /** Real path of the workspace. */
  readonly source: string;
  /** Where its runtime is, or is to be: whom to ask whether somebody works in it. */
  readonly engine?: { readonly backend: string; readonly host: string };
}

/** The caller is alone with the address. */
export interface BringRequest extends StageRequest {
  /** What came back of the agent's work is in a stage, and the workspace follows through that. */
  readonly staged: boolean;
  readonly driver: Driver;
  readonly objectId: string;
  readonly ignore: "off" | "gitignore";
  /** Runs and other commands that go on in its runtime. */
  readonly busy: number;
  readonly tell: (message: string) => void;
}

export interface StageNote {
  readonly level: "info" | "warn";
  readonly code: string;
  readonly message: string;
}
