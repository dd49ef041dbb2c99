import { BmsError, Reason } from '@bms/contracts';
import { CallerShares } from '../batching/caller-shares';
import type { FairLane } from '../batching/fair-lane';
import { runsBefore, type Candidate } from '../batching/service-order';
import { VersionQueue, type QueuedBatch } from '../batching/version-queue';
import type { Clock } from '../clock';
import { hopelessWait, overloaded, tooLate } from './queue-refusals';
import { QueuedPrediction, type PredictCall } from './queued-prediction';
import type { Servable } from './servable';

export interface QueueLimits {
  /** Requests that wait or run. */
  readonly requests: number;
  /** Bytes of their inputs. */
  readonly bytes: number;
}

/** Batches that go to an executor in one message and come back in one. */
export interface Turn {
  readonly servable: Servable;
  readonly batches: readonly QueuedBatch[];
}

/** What the device shall do now: a turn, or nothing before something comes or that time has passed. */
export type QueueStep =
  | { readonly kind: 'run'; readonly turn: Turn }
  | { readonly kind: 'wait'; readonly forMs: number };

/** A turn is meant to take this long at most, so that a request that is more urgent need not wait. */
const TURN_MS = 2;
const TURN_BATCHES_MAX = 32;
const TURN_BYTES_MAX = 16 * 1024 * 1024;
/** Behind a turn that takes longer, the next one's way would not show; and what is more urgent would wait too long. */
const FOLLOW_MAX_MS = 20;

/**
 * Requests that wait for the device: those of each version that has an idle executor, in the order of `service-order.ts`.
 * Bounded; what nobody waits for any more, or cannot be answered in time, leaves without running.
 */
export class PredictQueue {
  private readonly versions = new Map<Servable, VersionQueue>();
  private readonly leave = new Map<QueuedPrediction, () => void>();
  private readonly shares = new CallerShares();
  private bytesHeld = 0;
  private arrivals = 0;

  constructor(
    private readonly limits: QueueLimits,
    private readonly concurrentRuns: number,
    private readonly clock: Clock,
  ) {}

  /** Requests that wait or run. */
  get depth(): number {
    return this.leave.size;
  }

  get bytes(): number {
    return this.bytesHeld;
  }

  /** Throws OVERLOADED, with a hint when to come again, REPLICA_GONE and DEADLINE_EXCEEDED. */
  enter(call: PredictCall): QueuedPrediction {
    const entry = new QueuedPrediction(call, ++this.arrivals, this.clock.monotonic(), this.clock.now());
    this.checkRoom(entry.sizeBytes);
    if (call.servable.batching.blame.runsAlone(call.caller, entry.arrivedMs)) entry.runAlone();
    const rowsAhead = this.versions.get(call.servable)?.rowsAheadOf(entry) ?? 0;
    const hopeless = hopelessWait(entry, rowsAhead, this.clock.now());
    if (hopeless !== undefined) throw hopeless;
    const release = call.servable.acquire();
    const givenUp = (): void => this.giveUp(entry);
    this.bytesHeld += entry.sizeBytes;
    this.leave.set(entry, () => {
      call.signal.removeEventListener('abort', givenUp);
      this.bytesHeld -= entry.sizeBytes;
      release();
    });
    call.signal.addEventListener('abort', givenUp, { once: true });
    this.queueOf(call.servable).push(entry);
    if (call.signal.aborted) this.giveUp(entry);
    return entry;
  }

  /** Takes what shall run next. Each request of the turn must be given to {@link finish} or {@link runAgain} in the end. */
  next(): QueueStep {
    const chosen = this.choose();
    if (chosen.queue === undefined) return { kind: 'wait', forMs: chosen.forMs };
    const turn = this.takeTurn(chosen.queue);
    // All that were first were too late: there may be others.
    return turn === undefined ? this.next() : { kind: 'run', turn };
  }

  /**
   * Takes what shall follow a turn that runs, into the same executor's thread: nothing that could still grow while it waits, and
   * nothing of a version beside which another one waits for the device. undefined: nothing.
   */
  nextToFollow(): Turn | undefined {
    const [queue, ...others] = [...this.versions.values()].filter(({ size }) => size > 0);
    if (queue === undefined || others.length > 0 || !queue.servable.takesFollowers) return undefined;
    const { profile, plan } = queue.servable.batching;
    if (!(profile.runMs(plan.bestRows) <= FOLLOW_MAX_MS)) return undefined; // also where nothing was measured
    return queue.next(this.clock.now(), this.clock.monotonic())?.isFull === true ? this.takeTurn(queue) : undefined;
  }

  /** The request needs no room any more: it was answered, or it will not be. */
  finish(entry: QueuedPrediction): void {
    this.leave.get(entry)?.();
    this.leave.delete(entry);
  }

  /** The run that it shared failed: it gets one of its own, which alone decides about it. */
  runAgain(entry: QueuedPrediction): void {
    if (!entry.wanted) {
      this.finish(entry);
      return;
    }
    entry.repeatAlone();
    this.queueOf(entry.call.servable).push(entry);
  }

  /** Answers what has waited for longer than its version's config allows; answers when to look again: Infinity: never. */
  refuseStale(): number {
    let againMs = Infinity;
    for (const queue of this.versions.values()) {
      const { maxQueueMs } = queue.servable.batching;
      if (maxQueueMs === Infinity) continue;
      for (let entry = queue.oldest(); entry !== undefined; entry = queue.oldest()) {
        const leftMs = entry.arrivedMs + maxQueueMs - this.clock.monotonic();
        againMs = Math.min(againMs, leftMs > 0 ? leftMs : Infinity);
        if (leftMs > 0) break;
        queue.remove(entry);
        const why = `the request waited for ${maxQueueMs} ms, which is the most that its version allows`;
        this.refuseOne(entry, overloaded(why, this.expectedWaitMs()));
      }
    }
    return againMs;
  }

  /** Answers all that wait for a version, but do not run yet, with `error`. */
  refuse(servable: Servable, error: BmsError): void {
    const queue = this.versions.get(servable);
    this.versions.delete(servable);
    for (const entry of queue?.drain() ?? []) this.refuseOne(entry, error);
  }

  /** Answers all that wait, but do not run yet, with `error`. */
  refuseAll(error: BmsError): void {
    for (const servable of [...this.versions.keys()]) this.refuse(servable, error);
  }

  /** The version whose first request is served first among those that can run now; else how long until one can. */
  private choose(): { readonly queue: VersionQueue | undefined; readonly forMs: number } {
    const [nowMs, monotonicMs] = [this.clock.now(), this.clock.monotonic()];
    let best: VersionQueue | undefined;
    let bestFirst: Candidate | undefined;
    let forMs = Infinity;
    for (const [servable, queue] of this.versions) {
      if (queue.size === 0) this.versions.delete(servable);
      if (queue.size === 0 || servable.idleExecutors === 0) continue;
      const next = queue.next(nowMs, monotonicMs);
      if (next?.step.kind === 'wait') forMs = Math.min(forMs, next.step.forMs);
      if (next?.step.kind !== 'run' || (bestFirst !== undefined && !runsBefore(next.first, bestFirst, nowMs))) continue;
      best = queue;
      bestFirst = next.first;
    }
    return { queue: best, forMs };
  }

  /** As many batches of one version as fit into a turn; undefined: what was first was too late. */
  private takeTurn(queue: VersionQueue): Turn | undefined {
    const { servable } = queue;
    const batches: QueuedBatch[] = [];
    const shareRows = Math.ceil(queue.rows / Math.max(1, servable.idleExecutors));
    let [expectedMs, bytes, taken] = [0, 0, 0];
    while (batches.length < TURN_BATCHES_MAX) {
      const next = queue.next(this.clock.now(), this.clock.monotonic());
      if (next?.step.kind !== 'run') break;
      const { rows } = next.step;
      const nextMs = servable.batching.expectedMs(rows) ?? TURN_MS;
      const isEnough = expectedMs + nextMs > TURN_MS || bytes >= TURN_BYTES_MAX || taken >= shareRows;
      if (batches.length > 0 && (isEnough || !next.isFull)) break;
      const batch = this.takeBatch(queue, next.lane, rows);
      if (batch === undefined) continue;
      batches.push(batch);
      expectedMs += nextMs;
      taken += batch.rows;
      bytes += batch.entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    }
    return batches.length === 0 ? undefined : { servable, batches };
  }

  private takeBatch(queue: VersionQueue, lane: FairLane, rows: number): QueuedBatch | undefined {
    const nowMs = this.clock.now();
    return queue.takeBatch(lane, rows, nowMs, (entry) => {
      const { deadlineMs, servable } = entry.call;
      if (deadlineMs === undefined) return false;
      const remainingMs = deadlineMs - nowMs;
      if (!servable.batching.isTooLate(Math.max(rows, entry.rows), remainingMs)) return false;
      this.refuseOne(entry, tooLate(remainingMs));
      return true;
    });
  }

  private refuseOne(entry: QueuedPrediction, error: BmsError): void {
    this.finish(entry);
    entry.reject(error);
  }

  /** The caller does not wait any more. What runs keeps its room until it ends. */
  private giveUp(entry: QueuedPrediction): void {
    if (!entry.wanted) return;
    const { deadlineMs, signal } = entry.call;
    if (BmsError.is(signal.reason)) entry.reject(signal.reason);
    else if (deadlineMs !== undefined && deadlineMs <= this.clock.now())
      entry.reject(new BmsError(Reason.DEADLINE_EXCEEDED, 'the deadline passed while the request waited or ran'));
    else entry.reject(new BmsError(Reason.CANCELLED, 'the caller gave up'));
    if (this.versions.get(entry.call.servable)?.remove(entry) === true) this.finish(entry);
  }

  private queueOf(servable: Servable): VersionQueue {
    let queue = this.versions.get(servable);
    if (queue === undefined) this.versions.set(servable, (queue = new VersionQueue(servable, this.shares)));
    return queue;
  }

  private checkRoom(sizeBytes: number): void {
    const { requests, bytes } = this.limits;
    if (this.depth < requests && (this.bytesHeld + sizeBytes <= bytes || this.depth === 0)) return;
    throw overloaded(
      `this worker is full: ${this.depth} requests with ${this.bytesHeld} bytes wait or run (at most ${requests} with ${bytes})`,
      this.expectedWaitMs(),
    );
  }

  private expectedWaitMs(): number {
    let sumMs = 0;
    for (const [{ batching }, { size, rows }] of this.versions) sumMs += batching.expectedSumMs(size, rows);
    return sumMs / this.concurrentRuns;
  }
}
