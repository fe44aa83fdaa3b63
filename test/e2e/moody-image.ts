import type { Project } from "./cli.ts";

export interface MoodyImage extends AsyncDisposable {
  readonly ref: string;
}

/** An image whose own health check says yes only where the variable MOOD is "good". It goes after the project's containers. */
export async function moodyImage(project: Project): Promise<MoodyImage> {
  const ref = `sandkeep-e2e/moody-${project.fleet}:1`;
  const check = 'HEALTHCHECK --interval=500ms --timeout=5s --retries=1 CMD test "$MOOD" = good';
  const base = await project.docker("create", "sandkeep-test/busybox:1", "true");
  try {
    await project.docker("commit", "--change", check, base, ref);
  } finally {
    await project.docker("rm", base);
  }
  return {
    ref,
    async [Symbol.asyncDispose]() {
      await project[Symbol.asyncDispose]();
      await project.docker("rmi", ref);
    },
  };
}
