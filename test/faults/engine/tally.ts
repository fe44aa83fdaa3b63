// What the matrix did, for people: progress as it goes, and a table of flows and blows at the end.

interface Cell {
  cases: number;
  converged: number;
  milliseconds: number;
}

const EVERY = 25;

export class Tally {
  readonly #cells = new Map<string, Cell>();
  readonly #began = performance.now();
  readonly #columns: readonly string[];
  /** Cases in which the blow hit nobody, as when the call did not come. */
  missed = 0;
  /** How many cases there are, and how many of them this run takes. */
  size = 0;
  taken: number | undefined;

  constructor(columns: readonly string[]) {
    this.#columns = columns;
  }

  /** Runs one case; answers what went wrong, which it also tells at once. */
  async count(row: string, column: string, title: string, run: () => Promise<void>): Promise<string[]> {
    const cell = this.#cells.get(`${row} ${column}`) ?? { cases: 0, converged: 0, milliseconds: 0 };
    this.#cells.set(`${row} ${column}`, cell);
    const began = performance.now();
    const failures: string[] = [];
    try {
      await run();
      cell.converged += 1;
    } catch (thrown) {
      failures.push(`${title}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
      say(`NOT CONVERGED ${failures.join("")}`);
    }
    cell.cases += 1;
    cell.milliseconds += performance.now() - began;
    if (this.#sum("cases") % EVERY === 0) this.#progress();
    return failures;
  }

  #progress(): void {
    const cases = this.#sum("cases");
    const spent = performance.now() - this.#began;
    const left =
      this.taken === undefined ? "" : `, about ${minutes((spent / cases) * (this.taken - cases))} left`;
    say(
      `${cases}${this.taken === undefined ? "" : `/${this.taken}`} cases, ${this.#sum("converged")} converged, ${minutes(spent)}${left}`,
    );
  }

  /** `rows` in this order; a cell is `converged/cases seconds`. */
  print(rows: readonly string[], note: string): void {
    const lines = [
      ["converged/cases", ...this.#columns],
      ...rows.map((row) => [row, ...this.#columns.map((column) => this.#cell(row, column))]),
    ].map((row) =>
      row
        .map((text) => text.padEnd(17))
        .join("")
        .trimEnd(),
    );
    const totals = `${this.#sum("converged")} of ${this.#sum("cases")} cases converged, of a matrix of ${this.size}`;
    const missed = `in ${this.missed} the blow hit nobody`;
    say([...lines, `${totals}; ${missed}; ${minutes(performance.now() - this.#began)}${note}`].join("\n"));
  }

  #cell(row: string, column: string): string {
    const cell = this.#cells.get(`${row} ${column}`);
    return cell === undefined
      ? "-"
      : `${cell.converged}/${cell.cases} ${Math.round(cell.milliseconds / 1000)} s`;
  }

  #sum(key: keyof Cell): number {
    return [...this.#cells.values()].reduce((sum, cell) => sum + cell[key], 0);
  }
}

function say(text: string): void {
  process.stdout.write(`\n${text}\n`);
}

function minutes(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
