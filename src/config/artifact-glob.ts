import { PATTERN_RULES } from "./include-pattern.ts";

type Rule = (typeof PATTERN_RULES)[number];

const OWN_RULES: readonly Rule[] = [
  {
    breaks: (glob) => glob.startsWith("/") || glob.startsWith("~") || glob.split("/").includes(".."),
    expected: "expected a glob relative to the workspace",
    hint: "write it relative, such as out/**",
  },
  {
    breaks: (glob) => glob === "" || glob.includes("\0") || glob.split("/").slice(0, -1).includes(""),
    expected: "expected names between slashes",
    hint: "write it like out/** or reports/*.xml",
  },
];

/** Why a text cannot say which artifacts are kept; undefined when it can. */
export function artifactFault(glob: string): Rule | undefined {
  return [...OWN_RULES, ...PATTERN_RULES].find(({ breaks }) => breaks(glob));
}
