export interface VerbOption {
  readonly flags: string;
  readonly about: string;
  /** May be given several times. */
  readonly repeated?: true;
}

export const AGENT: VerbOption = { flags: "--agent <name>", about: "of this agent" };
export const SESSION: VerbOption = {
  flags: "--session <session>",
  about: "a session key or a session's name",
};
