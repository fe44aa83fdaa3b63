import { join } from "node:path";
import { defineConfig } from "vitest/config";

// `npm run bench`: apart from the test projects, one file at a time, so that nothing else uses the cores it measures.
export default defineConfig({
  test: {
    root: join(import.meta.dirname, "../.."),
    include: ["test/bench/**/*.bench.ts"],
    globalSetup: [join(import.meta.dirname, "services-setup.ts")],
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 120_000,
  },
});
