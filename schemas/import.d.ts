// Generated from import.schema.json by schemas/generate.ts.

/**
 * Answer of `sandkeep import --json`.
 */
export interface SandkeepImport {
  product: "fluffbuzz" | "openclaw" | "bmo" | "bmux";
  /**
   * What means the same.
   */
  mapped: {
    /**
     * As in the source: agents.list[0].sandbox.mode; a flag of an argument list ends in its name.
     */
    key: string;
    line: number;
    column: number;
    /**
     * Keys of the written config that hold it; empty when nothing in force does.
     */
    to: string[];
    /**
     * What changed, or why it has no equal; absent for what means the same.
     */
    note?: string;
  }[];
  /**
   * What means something else here.
   */
  changed: {
    /**
     * As in the source: agents.list[0].sandbox.mode; a flag of an argument list ends in its name.
     */
    key: string;
    line: number;
    column: number;
    /**
     * Keys of the written config that hold it; empty when nothing in force does.
     */
    to: string[];
    /**
     * What changed, or why it has no equal; absent for what means the same.
     */
    note?: string;
  }[];
  /**
   * What has no equal.
   */
  unmapped: {
    /**
     * As in the source: agents.list[0].sandbox.mode; a flag of an argument list ends in its name.
     */
    key: string;
    line: number;
    column: number;
    /**
     * Keys of the written config that hold it; empty when nothing in force does.
     */
    to: string[];
    /**
     * What changed, or why it has no equal; absent for what means the same.
     */
    note?: string;
  }[];
  /**
   * Defaults of the other tool, written out because sandkeep's own differ.
   */
  defaults: {
    to: string;
    note: string;
  }[];
  /**
   * A whole commented sandkeep.toml.
   */
  text: string;
  /**
   * Absolute path of the file that was written, with --out.
   */
  file?: string;
}
