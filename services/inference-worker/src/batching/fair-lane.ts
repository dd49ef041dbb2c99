import { DeadlineHeap } from '../servables/deadline-heap';
import type { QueuedPrediction } from '../servables/queued-prediction';
import type { CallerShares } from './caller-shares';
import { runsBefore, type Candidate } from './service-order';

/** One caller's requests, by their deadlines. */
interface CallerQueue {
  readonly waiting: DeadlineHeap<QueuedPrediction>;
  rows: number;
  /** No request of it that waits is due later. */
  latestDueMs: number;
}

/** Requests that can be joined, in the order in which they are served: see `service-order.ts`. */
export class FairLane {
  private readonly callers = new Map<string, CallerQueue>();
  /** In the order of arrival. */
  private readonly present = new Set<QueuedPrediction>();
  private rowsHeld = 0;

  constructor(private readonly shares: CallerShares) {}

  get size(): number {
    return this.present.size;
  }

  get rows(): number {
    return this.rowsHeld;
  }

  /** The one that has waited longest. */
  get oldest(): QueuedPrediction | undefined {
    return this.present.values().next().value;
  }

  /** When the earliest deadline is, or would be; Infinity where nothing waits. */
  get earliestDueMs(): number {
    let dueMs = Infinity;
    for (const { waiting } of this.callers.values()) dueMs = Math.min(dueMs, waiting.peek()?.dueMs ?? Infinity);
    return dueMs;
  }

  /** Rows that surely go before `entry`, should it come in now: its caller's own, where all of them are due before it. */
  rowsAheadOf({ call, dueMs }: QueuedPrediction): number {
    const queue = this.callers.get(call.caller);
    return queue === undefined || dueMs < queue.latestDueMs ? 0 : queue.rows;
  }

  push(entry: QueuedPrediction): void {
    const { caller } = entry.call;
    let queue = this.callers.get(caller);
    if (queue === undefined) {
      queue = { waiting: new DeadlineHeap(), rows: 0, latestDueMs: -Infinity };
      this.callers.set(caller, queue);
    }
    queue.waiting.push(entry);
    queue.rows += entry.rows;
    queue.latestDueMs = Math.max(queue.latestDueMs, entry.dueMs);
    this.present.add(entry);
    this.rowsHeld += entry.rows;
    this.shares.enter(caller);
  }

  /** Takes `entry` out; false when it is not here. */
  remove(entry: QueuedPrediction): boolean {
    if (!this.present.delete(entry)) return false;
    const { caller } = entry.call;
    const queue = this.callers.get(caller);
    this.rowsHeld -= entry.rows;
    this.shares.leave(caller);
    if (queue === undefined) return true;
    queue.waiting.remove(entry);
    queue.rows -= entry.rows;
    if (queue.waiting.size === 0) this.callers.delete(caller);
    return true;
  }

  /** Who is served next. */
  next(nowMs: number): Candidate | undefined {
    let best: Candidate | undefined;
    for (const [caller, { waiting }] of this.callers) {
      const entry = waiting.peek();
      if (entry === undefined) continue;
      const candidate = { entry, served: this.shares.served(caller) };
      if (best === undefined || runsBefore(candidate, best, nowMs)) best = candidate;
    }
    return best;
  }

  /** Takes `entry` out, which is counted as served at that cost. */
  serve(entry: QueuedPrediction, cost: number): void {
    this.shares.serve(entry.call.caller, cost);
    this.remove(entry);
  }
}
