import { defineConfig } from "vitest/config";
import { RepeatedTests } from "./test/support/repeated-tests.ts";

const services = "test/support/services-setup.ts";
const built = "test/support/built-setup.ts";
const own = ["properties", "contract", "faults", "e2e"].map((folder) => `test/${folder}/**`);

// Real engines and child processes on a small machine: generous limits, which only a hang reaches.
const slow = { testTimeout: 60_000, hookTimeout: 120_000 };
// What a shared machine does to a real engine once is told and not held against the change; twice is a failure.
const real = { ...slow, retry: process.env["CI"] === undefined ? 0 : 1 };

export default defineConfig({
  test: {
    // Most of it waits for engines and child processes, so that one worker a core leaves the cores idle.
    maxWorkers: 2,
    setupFiles: ["test/support/properties-setup.ts", "test/support/leaving-setup.ts"],
    reporters: ["default", new RepeatedTests()],
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: [...own, "test/bench/**", "test/support/**"],
          testTimeout: 20_000,
        },
      },
      { extends: true, test: { name: "property", include: ["test/properties/**/*.test.ts"], ...slow } },
      {
        extends: true,
        test: { name: "contract", include: ["test/contract/**/*.test.ts"], globalSetup: [services], ...real },
      },
      {
        extends: true,
        test: { name: "faults", include: ["test/faults/**/*.test.ts"], globalSetup: [services], ...real },
      },
      {
        extends: true,
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          globalSetup: [built, services],
          maxWorkers: 2,
          ...real,
        },
      },
    ],
  },
});
