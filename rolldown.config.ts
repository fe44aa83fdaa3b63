/**
 * The program as the start of it loads it (src/cli/main.ts, src/cli/load-program.ts): one file of what nearly every command
 * uses, and beside it small ones of what few do, so that a command reads and compiles little more than it runs.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { transform } from "esbuild";
import { defineConfig, type Plugin } from "rolldown";

/**
 * What nearly every command loads by import(), each with all that it needs: every file costs a start some 0.3 ms. The engine's
 * driver is apart, because what is kept compiled of a file is what the first command to need it compiled.
 */
const COMMON = sources([
  "cli/command-line",
  "cli/program",
  "cli/schemas",
  "cli/accepted",
  "cli/hosts/terminal",
  "cli/commands/run",
  // What tells of a failure must not be what is missing.
  "cli/failure",
  "cli/source-frames",
]);
const DOCKER = sources(["drivers/docker/index", "drivers/docker/open"]);

function sources(names: readonly string[]): ReadonlySet<string> {
  const paths = names.map((name) => join(import.meta.dirname, "src", `${name}.ts`));
  const gone = paths.filter((path) => !existsSync(path));
  if (gone.length > 0) throw new Error(`there is no ${gone.join(", ")}`);
  return new Set(paths);
}

const MINIFY = {
  // As Node itself wraps a CommonJS module.
  banner: "(function(exports,require,module,__filename,__dirname){",
  footer: "})",
  format: "cjs",
  platform: "node",
  target: "node20",
  charset: "ascii",
  legalComments: "none",
  minify: true,
  sourcemap: "external",
  sourcesContent: false,
  // V8 forgets who answers an import() when it takes code from a cache.
  supported: { "dynamic-import": false },
} as const;

/**
 * Text of ASCII alone is taken as it is; V8 keeps any other in twice the bytes, and rolldown itself writes `\u2713` as a tick.
 * That is also why this comes after all else.
 */
const minified: Plugin = {
  name: "minified",
  async generateBundle(_, bundle) {
    for (const file of Object.values(bundle)) {
      if (file.type !== "chunk") continue;
      const told = bundle[`${file.fileName}.map`];
      // Without one of its own, it only names what is in others.
      const soFar = told?.type === "asset" ? Buffer.from(told.source).toString("base64") : undefined;
      const { code, map } = await transform(
        `${file.code}\n${soFar === undefined ? "" : `//# sourceMappingURL=data:application/json;base64,${soFar}\n`}`,
        MINIFY,
      );
      file.code = code;
      if (told?.type === "asset") told.source = map;
    }
  },
};

export default defineConfig({
  input: { program: "src/cli/command-line.ts" },
  platform: "node",
  external: ["cpu-features"],
  checks: { ineffectiveDynamicImport: false },
  onLog(level, { message }) {
    // Such as that it has no answer where a library asks where it is.
    if (level === "warn") throw new Error(message);
  },
  transform: { target: "node20" },
  plugins: [minified],
  output: {
    dir: "dist/src/cli",
    format: "cjs",
    dynamicImportInCjs: false,
    entryFileNames: "[name].cjs",
    chunkFileNames: "program/[name]-[hash].cjs",
    // What a command does not use is loaded with the rest of a file, but not run.
    strictExecutionOrder: true,
    codeSplitting: {
      groups: [
        { name: "common", test: (id) => COMMON.has(id) },
        { name: "docker", test: (id) => DOCKER.has(id) },
      ],
    },
    comments: false,
    sourcemap: "hidden",
    sourcemapExcludeSources: true,
  },
});
