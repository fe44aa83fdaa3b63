/** In: a bundle. Out: whether it is what its manifest says, with every difference by path and field. It changes nothing. */
import { lstat } from "node:fs/promises";
import * as z from "zod";
import { SandkeepError } from "../errors.ts";
import type { BundleArtifact, BundleIssue, BundleVerification } from "../model/bundle.ts";
import { bundleManifestSchema, BUNDLE_VERSIONS } from "../model/bundle.ts";
import { unlessMissing } from "../util/errno.ts";
import type { Contents, Entry } from "./bundle-contents.ts";
import { archiveContents, artifactAt, folderContents, MANIFEST } from "./bundle-contents.ts";

/** Throws NO_BUNDLE where nothing is; everything else that is wrong is an issue. */
export async function verifyBundle(path: string, strict: boolean): Promise<BundleVerification> {
  const stat = await unlessMissing(lstat(path));
  if (stat === undefined || !(stat.isDirectory() || stat.isFile())) {
    throw new SandkeepError(`there is no bundle at ${path}`, {
      code: "NO_BUNDLE",
      hint: "name the folder that holds the bundle's manifest.json, or its .tar",
      exitCode: 64,
    });
  }
  const contents = stat.isDirectory() ? await folderContents(path) : await archiveContents(path);
  const read = readManifest(contents);
  const issues = [...read.issues];
  for (const artifact of read.artifacts ?? []) issues.push(...(await compare(contents.entries, artifact)));
  const unexpected = read.artifacts === undefined ? [] : unexpectedIn(contents.entries, read.artifacts);
  // A link is never an extra like others: whoever opens it may read or write somewhere else.
  for (const [each, { kind }] of contents.entries) {
    if (kind === "other")
      issues.push({
        path: each,
        field: "kind",
        expected: "file or directory",
        found: "link, device or second entry",
      });
  }
  const { version_check } = read;
  const ok = version_check.ok && issues.length === 0 && !(strict && unexpected.length > 0);
  return {
    bundle: path,
    ok,
    strict,
    version_check,
    checked: read.artifacts?.length ?? 0,
    issues,
    unexpected_artifacts: unexpected,
  };
}

interface Read {
  /** Undefined where no manifest could be read; one that lists nothing makes all that lies there unexpected. */
  readonly artifacts: readonly BundleArtifact[] | undefined;
  readonly version_check: BundleVerification["version_check"];
  readonly issues: readonly BundleIssue[];
}

const versionSchema = z.looseObject({ bundle_format_version: z.int() });

function readManifest({ manifest, refused }: Contents): Read {
  const supported = [...BUNDLE_VERSIONS];
  const unread = (found: string | null, version: number | null = null): Read => ({
    artifacts: undefined,
    version_check: { ok: false, found: version, supported },
    issues: [{ path: MANIFEST, field: "manifest", expected: "a bundle's manifest", found }],
  });
  if (refused !== undefined) {
    const issue = { path: "", field: "size", expected: "a readable bundle of bounded size", found: refused };
    return { ...unread(null), issues: [issue] };
  }
  if (manifest === undefined) return unread(null);
  let value: unknown;
  try {
    value = JSON.parse(manifest);
  } catch {
    return unread("no JSON");
  }
  const version = versionSchema.safeParse(value).data?.bundle_format_version ?? null;
  if (version === null || !supported.includes(version)) {
    return { artifacts: undefined, version_check: { ok: false, found: version, supported }, issues: [] };
  }
  const parsed = bundleManifestSchema.safeParse(value);
  if (!parsed.success) return unread(parsed.error.issues[0]?.message ?? "another form", version);
  return {
    artifacts: parsed.data.artifact_metadata,
    version_check: { ok: true, found: version, supported },
    issues: [],
  };
}

/** Absolute, upwards, or in another spelling than the bundle's own: it names nothing in the bundle. */
function isInside(path: string): boolean {
  return (
    path !== "" &&
    !path.includes("\\") &&
    !path.includes("\0") &&
    path.split("/").every((part) => !["", ".", ".."].includes(part))
  );
}

async function compare(
  entries: ReadonlyMap<string, Entry>,
  declared: BundleArtifact,
): Promise<BundleIssue[]> {
  const { path } = declared;
  const issue = (field: string, expected: string, found: string | null): BundleIssue => ({
    path,
    field,
    expected,
    found,
  });
  if (!isInside(path)) return [issue("path", "a path inside the bundle", path)];
  const plain = await artifactAt(entries, path, false);
  if (plain === undefined)
    return [issue("exists", declared.kind, entries.has(path) ? "no plain file" : null)];
  if (plain.kind !== declared.kind) return [issue("kind", declared.kind, plain.kind)];
  const fields = (["bytes", "file_count"] as const)
    .filter((field) => plain[field] !== declared[field])
    .map((field) => issue(field, String(declared[field]), String(plain[field])));
  // What has another size has another content, too; and only as much as was declared is ever read.
  if (fields.length > 0 || declared.sha256 === undefined) return fields;
  const { sha256 = null } = (await artifactAt(entries, path)) ?? {};
  return sha256 === declared.sha256 ? [] : [issue("sha256", declared.sha256, sha256)];
}

function unexpectedIn(entries: ReadonlyMap<string, Entry>, artifacts: readonly BundleArtifact[]): string[] {
  const known = new Set([MANIFEST, ...artifacts.map(({ path }) => path)]);
  return [...entries.keys()].filter((path) => !known.has(path)).toSorted();
}
