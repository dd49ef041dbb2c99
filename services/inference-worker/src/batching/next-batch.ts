import type { BatchPlan } from './batch-plan';

/** What waits for a version and can be joined, at one moment. */
export interface BatchSnapshot {
  readonly rows: number;
  /** Rows of the request that comes first. */
  readonly headRows: number;
  /** How long the one that came first has waited. */
  readonly oldestWaitedMs: number;
  /** What the earliest deadline leaves; Infinity: nobody has one. */
  readonly slackMs: number;
  /** Executors of the version that could run now. 1 or more. */
  readonly idleExecutors: number;
}

export interface BatchPolicy {
  readonly plan: BatchPlan;
  /** How long a request may wait for others; 0: not at all. */
  readonly maxDelayMs: number;
  /** Enough rows to wait for no more. */
  readonly fullRows: number;
  /** How long a run of that many rows takes; undefined: nobody knows. */
  readonly expectedMs: (rows: number) => number | undefined;
}

/**
 * - `run`: at most that many rows, and at least the first request
 * - `wait`: for others to come, or for that long
 */
export type NextBatch =
  | { readonly kind: 'run'; readonly rows: number }
  | { readonly kind: 'wait'; readonly forMs: number };

/**
 * What an idle executor does with what waits. Pure. It waits only where the version's config says so. Of the sizes that
 * were measured it takes the one by which all that wait are done soonest, shared out among the executors that are idle. An
 * early deadline makes the run smaller; where more wait than one run takes, not so small that all would be slower for it.
 */
export function nextBatch(snapshot: BatchSnapshot, policy: BatchPolicy): NextBatch {
  const { rows, headRows, slackMs, idleExecutors } = snapshot;
  const { plan, expectedMs } = policy;
  const forMs = delayMs(snapshot, policy);
  if (forMs > 0) return { kind: 'wait', forMs };
  const share = Math.max(headRows, Math.ceil(rows / idleExecutors));
  let size = plan.rowsOf(share);
  const least = rows > plan.bestRows ? Math.min(size, plan.efficientRows) : 1;
  while (size > least && size > headRows && (expectedMs(size) ?? 0) > slackMs) {
    size = Math.max(least, headRows, plan.smallerThan(size) ?? 1);
  }
  return { kind: 'run', rows: Math.max(size, headRows) };
}

/** How long to wait for more: never so long that a deadline could not be met any more. */
function delayMs({ rows, oldestWaitedMs, slackMs }: BatchSnapshot, policy: BatchPolicy): number {
  const { maxDelayMs, fullRows, expectedMs } = policy;
  if (maxDelayMs === 0 || rows >= fullRows) return 0;
  return Math.min(maxDelayMs - oldestWaitedMs, slackMs - (expectedMs(fullRows) ?? 0));
}
