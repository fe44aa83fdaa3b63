import type { Reporter, TestCase, TestModule } from "vitest/node";

/**
 * Names, at the end of a run, each test that passed only when it was repeated, with what it said the first time:
 * one hiccup of a shared machine must not hide a change's other results, and must not be forgotten either.
 */
export class RepeatedTests implements Reporter {
  readonly #repeated: TestCase[] = [];

  onTestCaseResult(test: TestCase): void {
    if (test.diagnostic()?.flaky === true) this.#repeated.push(test);
  }

  onTestRunEnd(_modules: readonly TestModule[]): void {
    if (this.#repeated.length === 0) return;
    console.log(`\n${this.#repeated.length} passed only when repeated, look into each:`);
    for (const test of this.#repeated) {
      console.log(`  ${test.module.relativeModuleId} > ${test.fullName}`);
      for (const error of test.result().errors ?? []) console.log(`    ${error.message.split("\n")[0]}`);
    }
  }
}
