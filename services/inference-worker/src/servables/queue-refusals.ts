import { BmsError, Reason } from '@bms/contracts';
import type { QueuedPrediction } from './queued-prediction';

/** Bounds of the hint when to come again. */
const RETRY_MIN_MS = 20;
const RETRY_MAX_MS = 2_000;

/** OVERLOADED: another worker may have room, this one after about that long. */
export function overloaded(message: string, waitMs: number): BmsError {
  const retryAfterMs = Math.min(RETRY_MAX_MS, Math.max(RETRY_MIN_MS, Math.ceil(waitMs)));
  return new BmsError(Reason.OVERLOADED, message, { retryAfterMs });
}

/** DEADLINE_EXCEEDED, at once: the answer would come when nobody waits for it any more. */
export function tooLate(remainingMs: number): BmsError {
  const message =
    remainingMs <= 0
      ? 'the deadline passed while the request waited for the device'
      : `the deadline cannot be met: ${Math.floor(remainingMs)} ms remain, and the run takes longer`;
  return new BmsError(Reason.DEADLINE_EXCEEDED, message);
}

/**
 * Why a request need not enter the queue: what waits before it takes longer than it may wait. Only what is certain counts:
 * its caller's own requests that are due before it, run at the best pace ever measured.
 */
export function hopelessWait(entry: QueuedPrediction, rowsAhead: number, nowMs: number): BmsError | undefined {
  const { servable, deadlineMs = Infinity } = entry.call;
  const { batching, executors } = servable;
  const remainingMs = deadlineMs - nowMs;
  if (batching.isTooLate(entry.rows, remainingMs)) return tooLate(remainingMs);
  const waitMs = batching.leastWaitMs(rowsAhead, executors);
  const before = `what waits before it takes ${Math.ceil(waitMs)} ms or more`;
  if (waitMs > batching.maxQueueMs) {
    return overloaded(`${before}: its version allows ${batching.maxQueueMs} ms of waiting`, waitMs);
  }
  if (waitMs > remainingMs)
    return overloaded(`the deadline leaves ${Math.floor(remainingMs)} ms, and ${before}`, waitMs);
  return undefined;
}
