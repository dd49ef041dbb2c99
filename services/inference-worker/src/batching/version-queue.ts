import type { QueuedPrediction } from '../servables/queued-prediction';
import type { Servable } from '../servables/servable';
import type { CallerShares } from './caller-shares';
import { FairLane } from './fair-lane';
import { nextBatch, type NextBatch } from './next-batch';
import { runsBefore, type Candidate } from './service-order';

/** Requests that run as one. */
export interface QueuedBatch {
  /** At least one. */
  readonly entries: readonly QueuedPrediction[];
  /** Their rows together. */
  readonly rows: number;
  /** Rows that are added so that the run has a size that is fast. */
  readonly paddingRows: number;
}

/** A lane, and what is done with it next. */
export interface LaneStep {
  readonly lane: FairLane;
  readonly step: NextBatch;
  /** Who is served first. */
  readonly first: Candidate;
  /** It makes a batch that others could not make better. */
  readonly isFull: boolean;
}

/** The most that the inputs of several requests may take together. */
const BATCH_BYTES_MAX = 16 * 1024 * 1024;
/** The key of those that run alone. */
const ALONE = '';

/** What waits for one version: a lane for each shape that can be joined, and one for those that run alone. */
export class VersionQueue {
  private readonly lanes = new Map<string, FairLane>();

  constructor(
    readonly servable: Servable,
    private readonly shares: CallerShares,
  ) {}

  get size(): number {
    let size = 0;
    for (const lane of this.lanes.values()) size += lane.size;
    return size;
  }

  get rows(): number {
    let rows = 0;
    for (const lane of this.lanes.values()) rows += lane.rows;
    return rows;
  }

  push(entry: QueuedPrediction): void {
    const key = this.keyOf(entry);
    let lane = this.lanes.get(key);
    if (lane === undefined) this.lanes.set(key, (lane = new FairLane(this.shares)));
    lane.push(entry);
  }

  /** Rows that surely run before `entry`, should it come in now. */
  rowsAheadOf(entry: QueuedPrediction): number {
    return this.lanes.get(this.keyOf(entry))?.rowsAheadOf(entry) ?? 0;
  }

  /** Takes `entry` out; false when it is not here. */
  remove(entry: QueuedPrediction): boolean {
    for (const [key, lane] of this.lanes) {
      if (!lane.remove(entry)) continue;
      if (lane.size === 0) this.lanes.delete(key);
      return true;
    }
    return false;
  }

  /** The one that has waited longest. */
  oldest(): QueuedPrediction | undefined {
    let oldest: QueuedPrediction | undefined;
    for (const lane of this.lanes.values()) {
      const { oldest: candidate } = lane;
      if (candidate !== undefined && candidate.arrivedMs < (oldest?.arrivedMs ?? Infinity)) oldest = candidate;
    }
    return oldest;
  }

  /** The lane whose first is served first of those that can run, else of those that wait. undefined: nothing is here. */
  next(nowMs: number, monotonicMs: number): LaneStep | undefined {
    let chosen: LaneStep | undefined;
    for (const [key, lane] of this.lanes) {
      const first = lane.next(nowMs);
      if (first === undefined) continue;
      const step = this.stepOf(key, lane, first, nowMs, monotonicMs);
      const isFull = key === ALONE || lane.rows >= this.servable.batching.plan.bestRows;
      const other = { lane, step, first, isFull };
      if (chosen === undefined || goesBefore(other, chosen, nowMs)) chosen = other;
    }
    return chosen;
  }

  /**
   * Takes at most `rows` rows out of a lane, and at least its first request; `isUnfit` answers true for those that it has
   * dealt with. undefined: none was left.
   */
  takeBatch(
    lane: FairLane,
    rows: number,
    nowMs: number,
    isUnfit: (entry: QueuedPrediction) => boolean,
  ): QueuedBatch | undefined {
    const entries: QueuedPrediction[] = [];
    let [taken, bytes] = [0, 0];
    for (let next = lane.next(nowMs); next !== undefined; next = lane.next(nowMs)) {
      const { entry } = next;
      const isFull = taken + entry.rows > rows || bytes + entry.sizeBytes > BATCH_BYTES_MAX;
      if (entries.length > 0 && isFull) break;
      lane.serve(entry, this.servable.batching.costOf(entry.rows));
      if (isUnfit(entry)) continue;
      entries.push(entry);
      taken += entry.rows;
      bytes += entry.sizeBytes;
      if (!this.joins(entry)) break;
    }
    this.forgetEmpty();
    if (entries.length === 0) return undefined;
    const { plan } = this.servable.batching;
    const paddingRows = entries.every((entry) => this.joins(entry)) ? plan.paddingFor(taken) : 0;
    return { entries, rows: taken, paddingRows };
  }

  /** Takes all out. */
  *drain(): Iterable<QueuedPrediction> {
    for (const lane of this.lanes.values()) {
      for (let entry = lane.oldest; entry !== undefined; entry = lane.oldest) {
        lane.remove(entry);
        yield entry;
      }
    }
    this.lanes.clear();
  }

  private stepOf(
    key: string,
    lane: FairLane,
    { entry: head }: Candidate,
    nowMs: number,
    monotonicMs: number,
  ): NextBatch {
    const { servable } = this;
    if (key === ALONE) return { kind: 'run', rows: head.rows };
    const snapshot = {
      rows: lane.rows,
      headRows: head.rows,
      oldestWaitedMs: monotonicMs - (lane.oldest?.arrivedMs ?? monotonicMs),
      slackMs: lane.earliestDueMs - nowMs,
      idleExecutors: Math.max(1, servable.idleExecutors),
    };
    return nextBatch(snapshot, servable.batching);
  }

  private joins(entry: QueuedPrediction): boolean {
    return this.keyOf(entry) !== ALONE;
  }

  private keyOf(entry: QueuedPrediction): string {
    return this.servable.batching.joins ? entry.joinKey : ALONE;
  }

  private forgetEmpty(): void {
    for (const [key, lane] of this.lanes) if (lane.size === 0) this.lanes.delete(key);
  }
}

function goesBefore(one: LaneStep, other: LaneStep, nowMs: number): boolean {
  if (one.step.kind !== other.step.kind) return one.step.kind === 'run';
  return runsBefore(one.first, other.first, nowMs);
}
