import { DeadlineHeap } from '../servables/deadline-heap';
import type { QueuedPrediction } from '../servables/queued-prediction';

/** Deadlines that leave less than this are all as urgent as can be; above, a class is twice as wide as the one below it. */
const URGENT_MS = 16;

/** One caller's requests. */
interface CallerQueue {
  readonly waiting: DeadlineHeap<QueuedPrediction>;
  /** Rows that it was served, counted from what the least served had when it came. */
  servedRows: number;
  rows: number;
  /** No request of it that waits is due later. */
  latestDueMs: number;
}

/**
 * Requests that can be joined, in the order in which they are served. Deadlines that are about as near form a class; a more
 * urgent class comes first. Within a class the caller comes first that was served the fewest rows, so that one who sends
 * many does not hold up the others; each caller's own go by their deadlines.
 */
export class FairLane {
  private readonly callers = new Map<string, CallerQueue>();
  /** In the order of arrival. */
  private readonly present = new Set<QueuedPrediction>();
  private rowsHeld = 0;
  /** What the caller had been served who was served last: who comes anew begins there, and has saved nothing up. */
  private servedRows = 0;

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
      queue = { waiting: new DeadlineHeap(), servedRows: this.servedRows, rows: 0, latestDueMs: -Infinity };
      this.callers.set(caller, queue);
    }
    queue.waiting.push(entry);
    queue.rows += entry.rows;
    queue.latestDueMs = Math.max(queue.latestDueMs, entry.dueMs);
    this.present.add(entry);
    this.rowsHeld += entry.rows;
  }

  /** Takes `entry` out; false when it is not here. */
  remove(entry: QueuedPrediction): boolean {
    if (!this.present.delete(entry)) return false;
    const { caller } = entry.call;
    const queue = this.callers.get(caller);
    this.rowsHeld -= entry.rows;
    if (queue === undefined) return true;
    queue.waiting.remove(entry);
    queue.rows -= entry.rows;
    if (queue.waiting.size === 0) this.callers.delete(caller);
    return true;
  }

  /** Who is served next. */
  next(nowMs: number): QueuedPrediction | undefined {
    return this.nextCaller(nowMs)?.waiting.peek();
  }

  /** Takes out who is served next, and counts it as served. */
  take(nowMs: number): QueuedPrediction | undefined {
    const queue = this.nextCaller(nowMs);
    const entry = queue?.waiting.peek();
    if (queue === undefined || entry === undefined) return undefined;
    this.servedRows = queue.servedRows;
    queue.servedRows += entry.rows;
    this.remove(entry);
    return entry;
  }

  private nextCaller(nowMs: number): CallerQueue | undefined {
    let best: CallerQueue | undefined;
    for (const queue of this.callers.values()) {
      if (best === undefined || goesBefore(queue, best, nowMs)) best = queue;
    }
    return best;
  }
}

function goesBefore(one: CallerQueue, other: CallerQueue, nowMs: number): boolean {
  const [first, second] = [one.waiting.peek(), other.waiting.peek()];
  if (first === undefined || second === undefined) return second === undefined;
  const urgency = urgencyClass(first.dueMs - nowMs) - urgencyClass(second.dueMs - nowMs);
  if (urgency !== 0) return urgency < 0;
  if (one.servedRows !== other.servedRows) return one.servedRows < other.servedRows;
  return first.arrival < second.arrival;
}

/** 0: most urgent. */
export function urgencyClass(slackMs: number): number {
  return slackMs < URGENT_MS ? 0 : 1 + Math.floor(Math.log2(slackMs / URGENT_MS));
}
