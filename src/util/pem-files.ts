import { readFile } from "node:fs/promises";
import { SandkeepError } from "../errors.ts";

export type PemName = "ca" | "cert" | "key";

/** Texts of those that are named. Throws `TLS_FILE` for one that cannot be read. */
export async function readPems(
  paths: Readonly<Partial<Record<PemName, string | undefined>>>,
): Promise<Partial<Record<PemName, string>>> {
  const [ca, cert, key] = await Promise.all([paths.ca, paths.cert, paths.key].map((path) => readPem(path)));
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

async function readPem(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new SandkeepError(`cannot read the TLS file ${path}`, {
      code: "TLS_FILE",
      hint: "check the path and its permissions",
      cause,
    });
  }
}
