import { BATCH_ROWS_DEFAULT, type models } from '@bms/contracts';
import { BatchPlan } from './batch-plan';
import { BatchProfile } from './batch-profile';
import { CallerBlame } from './caller-blame';
import type { BatchPolicy } from './next-batch';

/** Weight of the newest run in the moving averages. */
const EWMA_WEIGHT = 0.2;
/** A request is refused for what its run takes only if that is less than this many times the fastest run of its size. */
const CERTAIN_PACE = 2;
/** What remains of the doubt each time one is refused: now and then one is tried, so that a wrong profile locks nobody out. */
const HOPE = 0.995;
/** One run that was held up by something else says little: what counts of it is at most this many times the pace. */
const HICCUP = 2;

export interface BatchingFacts {
  /** Whether requests may be joined at all. */
  readonly joins: boolean;
  readonly profile: BatchProfile;
  /** Whether all rows take the same time: no dimension is free but the first. */
  readonly evenRows: boolean;
  readonly config: models.BatchingConfig | undefined;
}

const NOTHING_KNOWN: BatchingFacts = {
  joins: false,
  profile: new BatchProfile([]),
  evenRows: false,
  config: undefined,
};

/** How the requests of one version run together, and how long that takes: by its profile, corrected by what is seen. */
export class VersionBatching implements BatchPolicy {
  readonly plan: BatchPlan;
  readonly profile: BatchProfile;
  readonly maxDelayMs: number;
  /** What waits longer is refused; Infinity: no bound. */
  readonly maxQueueMs: number;
  readonly fullRows: number;
  private readonly evenRows: boolean;
  private joining: boolean;
  /** Of runs as they are, against the profile. */
  private pace = 1;
  /** 1 as long as nobody is refused. */
  private doubt = 1;
  /** Who made batches fail. */
  readonly blame = new CallerBlame();
  private meanRunMs: number | undefined;

  constructor({ joins, profile, evenRows, config }: BatchingFacts = NOTHING_KNOWN) {
    const { preferredRows = [], maxDelayMs = 0, maxQueueMs = 0 } = config ?? {};
    this.joining = joins;
    this.profile = profile;
    this.evenRows = evenRows;
    this.plan = new BatchPlan(profile, { maxRows: joins ? maxRowsOf(config) : 1, preferredRows });
    this.maxDelayMs = maxDelayMs;
    this.maxQueueMs = maxQueueMs || Infinity;
    this.fullRows = Math.min(this.plan.bestRows, ...preferredRows);
  }

  /** Whether requests are joined. */
  get joins(): boolean {
    return this.joining;
  }

  /** The model was seen not to keep rows apart: from now on each request runs alone. */
  stopJoining(): void {
    this.joining = false;
  }

  readonly expectedMs = (rows: number): number | undefined =>
    this.profile.isEmpty ? this.meanRunMs : this.profile.runMs(rows) * this.pace;

  /** What a request of that many rows takes of the device's time, in a batch; in rows where nobody knows. */
  costOf(rows: number): number {
    const { bestRows } = this.plan;
    return (rows / bestRows) * (this.expectedMs(bestRows) ?? bestRows);
  }

  /** How long all of them take that wait, one run after the other. 0: nobody knows. */
  expectedSumMs(requests: number, rows: number): number {
    return this.joining ? this.costOf(rows) : requests * (this.meanRunMs ?? 0);
  }

  /** A run of that many rows took that long. */
  observe(rows: number, runMs: number): void {
    this.meanRunMs = moved(this.meanRunMs ?? runMs, runMs);
    this.doubt = moved(this.doubt, 1);
    if (this.profile.isEmpty) return;
    this.pace = moved(this.pace, Math.min(HICCUP * this.pace, runMs / this.profile.runMs(rows)));
  }

  /**
   * Whether a run of that many rows cannot end in time, as far as anybody can know: where rows differ in length, nobody can, and
   * what a slow run took says little of the next one. Each such verdict makes the next one a little more hopeful.
   */
  isTooLate(rows: number, remainingMs: number): boolean {
    if (remainingMs <= 0) return true;
    if (!this.evenRows || this.profile.isEmpty) return false;
    // What larger runs take is not known to be proportional.
    const fastestMs = this.profile.runMs(Math.min(rows, this.profile.mostRows));
    if (fastestMs * Math.min(this.pace, CERTAIN_PACE) * this.doubt <= remainingMs) return false;
    this.doubt *= HOPE;
    return true;
  }

  /** The least that it takes until all these rows have run, on so many executors. 0: nobody knows. */
  leastWaitMs(rows: number, executors: number): number {
    if (!this.evenRows || this.profile.isEmpty) return 0;
    const { bestRows } = this.plan;
    return (rows / bestRows / executors) * this.profile.runMs(bestRows);
  }
}

/** The most rows of one run. */
export function maxRowsOf(config: models.BatchingConfig | undefined): number {
  return config?.maxRows || BATCH_ROWS_DEFAULT;
}

function moved(mean: number, newest: number): number {
  return mean + EWMA_WEIGHT * (newest - mean);
}
