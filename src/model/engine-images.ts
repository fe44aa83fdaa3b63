/** What an engine says of images: what a reference means there, what it fetched, what it holds. */
import type { ImageIdentity } from "./spec.ts";

/**
 * What a reference means on an engine. `image` is what runtimes made now would show; `from` is the same by the name
 * its registry knows it by. Both may be known of an image that still has to be fetched.
 */
export type ImageState =
  | {
      readonly status: "present";
      readonly image: ImageIdentity;
      readonly from?: ImageIdentity;
      /** Why the registry could not be asked: what is there may be used, and proves no drift. */
      readonly unresolved?: string;
    }
  | {
      readonly status: "absent";
      readonly image?: ImageIdentity;
      readonly from?: ImageIdentity;
      readonly unresolved?: string;
    }
  /** The engine could not say: never a reason for a change. */
  | { readonly status: "unknown"; readonly message: string };

/** What is known before a look-up: identities from a lock file or from an earlier answer, one a platform. */
export interface ImageQuery {
  readonly known?: readonly ImageIdentity[];
  /** Asks the registry alone, for this platform (`linux/amd64`). */
  readonly platform?: string;
}

export interface FetchedImage {
  readonly image: ImageIdentity;
  /** What the engine calls it. */
  readonly image_id: string;
  /** Id of the engine itself, so that an address which moved is not mistaken for it. */
  readonly engine_id: string;
  /** True when the engine did not have it before. */
  readonly pulled: boolean;
}

/** One image of an engine. */
export interface HeldImage {
  readonly image_id: string;
  /** Tags and digests it goes by. */
  readonly names: readonly string[];
  readonly size: number;
  /** Names of containers made from it, whoever made them. */
  readonly used_by: readonly string[];
}

export interface HeldImages {
  readonly engine_id: string;
  /** `linux/amd64`. */
  readonly platform: string;
  readonly images: readonly HeldImage[];
}
