import { costMs, rowsPerMs, type BatchProfile, type ProfilePoint } from './batch-profile';

/** What is nearly as fast as the best counts as best: of such sizes the smallest, which makes callers wait least. */
const NEARLY = 0.97;
/** What a run must reach of the best pace to be worth while where many wait. */
const EFFICIENT = 0.75;
/** More padding than this, as a share of the rows, is not worth what is known of the padded size. */
const PADDING_MAX = 0.25;

export interface PlanLimits {
  /** The most rows of one run. */
  readonly maxRows: number;
  /** The sizes to run at; none: all that were measured. */
  readonly preferredRows: readonly number[];
}

/**
 * At which sizes a version runs, worked out once from its profile: only sizes that were measured, since the next one
 * up may be a dip (libraries have code of their own for some sizes). Where none was, at any size. Pure, immutable.
 */
export class BatchPlan {
  private readonly sizes: readonly ProfilePoint[];
  /** The rows of the first run where that many wait, by their number. */
  private readonly firstRun: readonly number[];
  /** The size with the best pace, or nearly so; more never run together. */
  readonly bestRows: number;
  /** The smallest size that reaches three quarters of the best pace. */
  readonly efficientRows: number;

  constructor(profile: BatchProfile, { maxRows, preferredRows }: PlanLimits) {
    const within = profile.points.filter(({ rows }) => rows <= maxRows);
    const preferred = within.filter(({ rows }) => preferredRows.includes(rows));
    this.sizes = preferred.length > 0 ? preferred : within;
    const best = Math.max(0, ...this.sizes.map(rowsPerMs));
    const reaching = (share: number): number => this.sizes.find((size) => rowsPerMs(size) >= share * best)?.rows ?? 1;
    this.bestRows = this.sizes.length === 0 ? maxRows : reaching(NEARLY);
    this.efficientRows = reaching(EFFICIENT);
    this.firstRun = this.solve();
  }

  /** How many of the rows that wait run together next. */
  rowsOf(waitingRows: number): number {
    return this.firstRun[Math.min(waitingRows, this.bestRows)] ?? 1;
  }

  /** The next size below; undefined below the smallest. */
  smallerThan(rows: number): number | undefined {
    return this.sizes.findLast((size) => size.rows < rows)?.rows;
  }

  /** Rows that are added to a run so that it has a size that was measured. */
  paddingFor(rows: number): number {
    let quickest: ProfilePoint | undefined;
    for (const size of this.sizes) {
      if (size.rows < rows || size.rows - rows > PADDING_MAX * rows) continue;
      if (quickest === undefined || size.runMs < quickest.runMs) quickest = size;
    }
    return quickest === undefined ? 0 : quickest.rows - rows;
  }

  /**
   * For each number of rows below the best, the first of those runs that are through with all of them soonest. A size
   * that does not exist is reached by padding, where that is quicker than two runs.
   */
  private solve(): readonly number[] {
    const first = [0];
    const soonestMs = [0];
    for (let waiting = 1; waiting <= this.bestRows; waiting++) {
      let bestMs = Infinity;
      let bestRows = waiting;
      for (const { rows, runMs } of this.sizes) {
        const taken = Math.min(rows, waiting);
        const sumMs = costMs(runMs) + (soonestMs[waiting - taken] ?? 0);
        if (rows - taken > PADDING_MAX * taken || sumMs >= bestMs) continue;
        bestMs = sumMs;
        bestRows = taken;
      }
      // No size is near: run what is there, as if at the next size up.
      soonestMs.push(bestMs < Infinity ? bestMs : costMs(this.sizes.find(({ rows }) => rows >= waiting)?.runMs ?? 0));
      first.push(bestRows);
    }
    return first;
  }
}
