import type { QueuedPrediction } from '../servables/queued-prediction';

/** Deadlines that leave less than this are all as urgent as can be; above, a class is twice as wide as the one below it. */
const URGENT_MS = 16;

/** A request that is first where it waits. */
export interface Candidate {
  readonly entry: QueuedPrediction;
  /** What its caller got. */
  readonly served: number;
}

/**
 * Whose request runs first. Deadlines that are about as near form a class; a more urgent class comes first. Within a class the
 * caller comes first that was served least, so that one who sends many does not hold up the others; then the earlier deadline.
 */
export function runsBefore(one: Candidate, other: Candidate, nowMs: number): boolean {
  const urgency = urgencyClass(one.entry.dueMs - nowMs) - urgencyClass(other.entry.dueMs - nowMs);
  if (urgency !== 0) return urgency < 0;
  if (one.served !== other.served) return one.served < other.served;
  if (one.entry.dueMs !== other.entry.dueMs) return one.entry.dueMs < other.entry.dueMs;
  return one.entry.arrival < other.entry.arrival;
}

/** 0: most urgent. */
export function urgencyClass(slackMs: number): number {
  return slackMs < URGENT_MS ? 0 : 1 + Math.floor(Math.log2(slackMs / URGENT_MS));
}
