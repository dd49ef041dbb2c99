import { BmsError, Reason } from '@bms/contracts';
import type { Clock } from './clock';

/** How a call that failed is tried again. */
export interface RetryOptions {
  /** How often a call is tried in all; 10 by default, 1 means never again. Going on to another router with what was not sent counts as one. */
  readonly attempts?: number;
  /** Milliseconds before the second attempt, doubled for each further one; 50 by default. */
  readonly firstPauseMs?: number;
  /** The longest pause in milliseconds; 1000 by default. */
  readonly maxPauseMs?: number;
  /**
   * Whether running a call twice does no harm; true by default, as predictions depend on their input alone.
   * With false a call is tried again only where it is sure that no model ran it.
   */
  readonly idempotent?: boolean;
}

export type RetryPolicy = Required<RetryOptions>;

/** Survives the restart of a router: some 5 s in all. */
export const RETRY_DEFAULTS: RetryPolicy = { attempts: 10, firstPauseMs: 50, maxPauseMs: 1_000, idempotent: true };

/** Refused before anything ran. */
const NOTHING_RAN: readonly Reason[] = [
  Reason.CONNECTION_FAILED,
  Reason.NOT_READY,
  Reason.REPLICA_GONE,
  Reason.DRAINING,
  Reason.STORE_UNAVAILABLE,
];

/** Whether trying again can help and does no harm. */
export function isRetryable(error: unknown, policy: RetryPolicy): error is BmsError {
  return BmsError.is(error, ...NOTHING_RAN) || (policy.idempotent && BmsError.is(error, Reason.WORKER_LOST));
}

/** How long to wait before attempt number `attempt` (2, 3, …): doubling, with jitter, and what the server asked for. */
export function pauseBeforeMs(attempt: number, policy: RetryPolicy, error: BmsError, random: () => number): number {
  const ceiling = Math.min(policy.maxPauseMs, policy.firstPauseMs * 2 ** (attempt - 2));
  return Math.max(ceiling * (0.5 + random() / 2), error.retryAfterMs ?? 0);
}

export interface RetryBounds {
  readonly policy: RetryPolicy;
  readonly clock: Clock;
  readonly random: () => number;
  /** Milliseconds since 1970; no attempt starts after it. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Runs `work` until it succeeds, fails for good, or the bounds are reached; then throws its last error. */
export async function withRetries<T>(work: (attempt: number) => Promise<T>, bounds: RetryBounds): Promise<T> {
  const { policy, clock, random, deadlineMs, signal } = bounds;
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt);
    } catch (error) {
      if (attempt >= policy.attempts || !isRetryable(error, policy)) throw error;
      const pauseMs = pauseBeforeMs(attempt + 1, policy, error, random);
      if (clock.now() + pauseMs >= deadlineMs) throw error;
      await clock.sleep(pauseMs, signal);
    }
  }
}
