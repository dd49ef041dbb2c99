/** How long a run of that many rows takes when nothing disturbs it: the fastest of those measured. */
export interface ProfilePoint {
  readonly rows: number;
  readonly runMs: number;
}

/** What a run costs beside the model: the message and the answers. Small batches pay it more often. */
const OVERHEAD_MS = 0.03;

/** How fast a version runs by the number of rows, as it was measured when it was warmed up. Immutable. */
export class BatchProfile {
  /** Ascending by rows. */
  readonly points: readonly ProfilePoint[];

  constructor(points: readonly ProfilePoint[]) {
    this.points = [...points].sort((one, other) => one.rows - other.rows);
  }

  get isEmpty(): boolean {
    return this.points.length === 0;
  }

  /** The most rows that were measured; 0 where none were. */
  get mostRows(): number {
    return this.points.at(-1)?.rows ?? 0;
  }

  /** As measured; between two sizes on the line between them, beyond the last one at its pace. NaN where nothing was. */
  runMs(rows: number): number {
    const above = this.points.find((point) => point.rows >= rows);
    const below = this.points.findLast((point) => point.rows <= rows);
    if (above === undefined) return below === undefined ? NaN : (below.runMs * rows) / below.rows;
    if (below === undefined || above.rows === below.rows) return above.runMs;
    const share = (rows - below.rows) / (above.rows - below.rows);
    return below.runMs + share * (above.runMs - below.runMs);
  }
}

/** Rows a millisecond, with what a run costs beside the model. */
export function rowsPerMs({ rows, runMs }: ProfilePoint): number {
  return rows / costMs(runMs);
}

/** A run, with what it costs beside the model. */
export function costMs(runMs: number): number {
  return runMs + OVERHEAD_MS;
}
