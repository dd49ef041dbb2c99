import { BmsError, Reason } from '@bms/contracts';
import type { Clock } from '../clock';
import { comesFirst, DeadlineHeap } from './deadline-heap';
import { QueuedPrediction, type PredictCall } from './queued-prediction';
import type { Servable } from './servable';

export interface QueueLimits {
  /** Requests that wait or run. */
  readonly requests: number;
  /** Bytes of their inputs. */
  readonly bytes: number;
}

/** A turn is a list of requests that is meant to take this long at most, so that one that is more urgent need not wait. */
const TURN_MS = 2;
const TURN_REQUESTS_MAX = 32;
const TURN_BYTES_MAX = 16 * 1024 * 1024;
/** Bounds of the hint to those that are refused. */
const RETRY_MIN_MS = 20;
const RETRY_MAX_MS = 2_000;

/**
 * Requests that wait for the device, the earliest deadline first within each version and among the versions that are
 * free to run. Bounded; what nobody waits for any more leaves without running.
 */
export class PredictQueue {
  private readonly lanes = new Map<Servable, DeadlineHeap<QueuedPrediction>>();
  private readonly leave = new Map<QueuedPrediction, () => void>();
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

  /** Throws OVERLOADED, with a hint when to come again, and REPLICA_GONE. */
  enter(call: PredictCall): QueuedPrediction {
    const entry = new QueuedPrediction(call, ++this.arrivals, this.clock.monotonic(), this.clock.now());
    this.checkRoom(entry.sizeBytes);
    const release = call.servable.acquire();
    const givenUp = (): void => this.giveUp(entry);
    this.bytesHeld += entry.sizeBytes;
    this.leave.set(entry, () => {
      call.signal.removeEventListener('abort', givenUp);
      this.bytesHeld -= entry.sizeBytes;
      release();
    });
    call.signal.addEventListener('abort', givenUp, { once: true });
    this.laneOf(call.servable).push(entry);
    if (call.signal.aborted) this.giveUp(entry);
    return entry;
  }

  /**
   * Takes the requests that shall run together now: those of the version, among those that are not busy, whose first
   * one is due first. Each must be given to {@link finish} in the end. undefined: nothing can run.
   */
  takeTurn(): readonly QueuedPrediction[] | undefined {
    let chosen: DeadlineHeap<QueuedPrediction> | undefined;
    for (const [servable, lane] of this.lanes) {
      if (servable.busy) continue;
      this.dropExpired(lane);
      const head = lane.peek();
      const best = chosen?.peek();
      if (head === undefined) this.lanes.delete(servable);
      else if (best === undefined || comesFirst(head, best)) chosen = lane;
    }
    return chosen === undefined ? undefined : this.takeFrom(chosen);
  }

  /** The request needs no room any more: it was answered, or it will not be. */
  finish(entry: QueuedPrediction): void {
    this.leave.get(entry)?.();
    this.leave.delete(entry);
  }

  /** Answers all that wait for a version, but do not run yet, with `error`. */
  refuse(servable: Servable, error: BmsError): void {
    const lane = this.lanes.get(servable);
    this.lanes.delete(servable);
    for (let entry = lane?.pop(); entry !== undefined; entry = lane?.pop()) {
      this.finish(entry);
      entry.reject(error);
    }
  }

  /** Answers all that wait, but do not run yet, with `error`. */
  refuseAll(error: BmsError): void {
    for (const servable of [...this.lanes.keys()]) this.refuse(servable, error);
  }

  private takeFrom(lane: DeadlineHeap<QueuedPrediction>): readonly QueuedPrediction[] {
    const turn: QueuedPrediction[] = [];
    let turnBytes = 0;
    for (let entry = lane.peek(); entry !== undefined; entry = lane.peek()) {
      const { expectedRunMs } = entry.call.servable;
      const most = expectedRunMs === undefined ? 1 : Math.min(TURN_REQUESTS_MAX, Math.floor(TURN_MS / expectedRunMs));
      if (turn.length > 0 && (turn.length >= most || turnBytes + entry.sizeBytes > TURN_BYTES_MAX)) break;
      lane.pop();
      turn.push(entry);
      turnBytes += entry.sizeBytes;
      this.dropExpired(lane);
    }
    return turn;
  }

  private dropExpired(lane: DeadlineHeap<QueuedPrediction>): void {
    for (let entry = lane.peek(); entry !== undefined; entry = lane.peek()) {
      const { deadlineMs } = entry.call;
      if (deadlineMs === undefined || deadlineMs > this.clock.now()) return;
      lane.pop();
      this.finish(entry);
      entry.reject(deadlineExceeded('waited for the device'));
    }
  }

  /** The caller does not wait any more. What runs keeps its room until it ends. */
  private giveUp(entry: QueuedPrediction): void {
    if (!entry.wanted) return;
    const { deadlineMs, signal } = entry.call;
    if (BmsError.is(signal.reason)) entry.reject(signal.reason);
    else if (deadlineMs !== undefined && deadlineMs <= this.clock.now())
      entry.reject(deadlineExceeded('waited or ran'));
    else entry.reject(new BmsError(Reason.CANCELLED, 'the caller gave up'));
    const lane = this.lanes.get(entry.call.servable);
    if (lane?.remove(entry) === true) this.finish(entry);
  }

  private laneOf(servable: Servable): DeadlineHeap<QueuedPrediction> {
    let lane = this.lanes.get(servable);
    if (lane === undefined) this.lanes.set(servable, (lane = new DeadlineHeap()));
    return lane;
  }

  private checkRoom(sizeBytes: number): void {
    const { requests, bytes } = this.limits;
    if (this.depth < requests && (this.bytesHeld + sizeBytes <= bytes || this.depth === 0)) return;
    throw new BmsError(
      Reason.OVERLOADED,
      `this worker is full: ${this.depth} requests with ${this.bytesHeld} bytes wait or run (at most ${requests} with ${bytes})`,
      { retryAfterMs: Math.min(RETRY_MAX_MS, Math.max(RETRY_MIN_MS, Math.ceil(this.expectedWaitMs()))) },
    );
  }

  private expectedWaitMs(): number {
    let sumMs = 0;
    for (const [servable, lane] of this.lanes) sumMs += lane.size * (servable.expectedRunMs ?? 0);
    return sumMs / this.concurrentRuns;
  }
}

function deadlineExceeded(what: string): BmsError {
  return new BmsError(Reason.DEADLINE_EXCEEDED, `the deadline passed while the request ${what}`);
}
