import type { NameKind, StateFolder } from "./contents.ts";

/** Where one thing of the state directory lies. */
interface At {
  /** Null outside of every fleet's folder. */
  readonly fleet: string | null;
  /** Absolute. */
  readonly path: string;
}

/** One thing in the state directory as it was looked at, with all that the judgement needs. */
export type Item = At &
  (
    | {
        readonly what: "name";
        readonly kind: Exclude<NameKind, "file" | "folder" | "kept">;
        readonly folder: StateFolder;
        /** Since it was last written; negative where a clock jumped. */
        readonly ageMs: number;
      }
    | {
        readonly what: "torn";
        readonly folder: StateFolder;
        readonly name: string;
      }
    /** Not whole. */
    | { readonly what: "bundle" }
    | {
        readonly what: "claim";
        readonly role: "lease" | "lock";
        /** For people: the process that is no more. */
        readonly holder: string;
      }
    /** Of a process that is no more. */
    | { readonly what: "open-run"; readonly id: string; readonly address: string }
    | {
        readonly what: "run";
        readonly id: string;
        /** `unreadable`: without a manifest of ours. */
        readonly state: "alive" | "gone" | "unknown" | "unreadable";
        readonly address: string | null;
        readonly object_id: string | null;
        /** As an engine's key. */
        readonly engine: string;
        readonly ageMs: number;
      }
    | {
        readonly what: "index";
        /** Ended runs that it lacks or tells otherwise, and what it has besides them. */
        readonly lacks: number;
        readonly differs: number;
        readonly besides: number;
      }
    | {
        readonly what: "mark";
        readonly mark: "activity" | "deferred" | "sighting" | "hold";
        /** In its file: the key as it stands there. */
        readonly key: string;
        /** Address, or for a sighting the object's id. */
        readonly of: string;
        /** What must still be so when it is forgotten. */
        readonly at: number;
        /** Of a hold: when it ended; null while it counts. */
        readonly ended: number | null;
        /** Somebody uses that address right now. */
        readonly used: boolean;
      }
    | {
        readonly what: "left-alone";
        readonly watcher: "alive" | "dead" | "unknown";
        readonly quietMs: number;
      }
  );

/** What is known of a fleet beyond its files. */
export interface FleetKnowledge {
  /** Keys of the engines that could be seen. */
  readonly seen: ReadonlySet<string>;
  /** On all of them; undefined where one that may have more could not be seen. */
  readonly objects: ReadonlySet<string> | undefined;
  /** Undefined without a config, or where an engine could not be seen. */
  readonly declared:
    { readonly agents: ReadonlySet<string>; readonly addresses: ReadonlySet<string> } | undefined;
}

/** Of a fleet whose config and engines were not looked at. */
export const NOTHING_KNOWN: FleetKnowledge = { seen: new Set(), objects: undefined, declared: undefined };

/** One thing, and the way to look at it again. */
export interface Subject {
  readonly item: Item;
  /** Undefined when it is no more. */
  readonly again: () => Promise<Item | undefined>;
}
