import type { BmsError } from '@bms/contracts';
import type { Layer } from '@bms/transport';
import type { Clock } from '../clock';
import { withRequestId, type InferCall, type InferResult, type ObservedCall } from '../infer-call';
import { outcomeOf, type Outcome } from '../observation/call-outcome';
import type { VersionEntry } from '../catalog/route-table';

export interface ObserveOptions {
  readonly clock: Clock;
  readonly metrics: {
    started(): void;
    ended(call: ObservedCall, failure: BmsError | undefined, seconds: number): void;
  };
  readonly totals: { count(version: VersionEntry, workerId: string, outcome: Outcome): void };
  readonly log: { failed(call: ObservedCall, failure: BmsError): void };
}

/** Tells of a request that the edge could not even read, which so never becomes a call; answers what to throw. */
export type Refuse = (call: ObservedCall, error: unknown) => BmsError;

export function refuse({ metrics, log }: Pick<ObserveOptions, 'metrics' | 'log'>): Refuse {
  return (call, error) => {
    const failure = withRequestId(error, call.requestId);
    metrics.started();
    metrics.ended(call, failure, 0);
    log.failed(call, failure);
    return failure;
  };
}

/**
 * Counts, times and logs each call once, by its final outcome: the only place that does. What goes wrong below leaves
 * here as a BmsError that names the request.
 */
export function observe({ clock, metrics, totals, log }: ObserveOptions): Layer<InferCall, InferResult> {
  return (next) => async (call) => {
    const startedAtMs = clock.monotonicMs();
    let failure: BmsError | undefined;
    metrics.started();
    try {
      return await next(call);
    } catch (error) {
      failure = withRequestId(error, call.requestId);
      log.failed(call, failure);
      throw failure;
    } finally {
      const { version, workerId } = call.progress;
      metrics.ended(call, failure, (clock.monotonicMs() - startedAtMs) / 1_000);
      if (version !== undefined) totals.count(version, workerId, outcomeOf(failure));
    }
  };
}
