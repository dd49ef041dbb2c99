import { Reason, type BmsError } from '@bms/contracts';
import type { Logger } from '@bms/telemetry';
import type { Clock } from '../clock';
import type { ObservedCall } from '../infer-call';
import { outcomeName, outcomeOf } from './call-outcome';

/** Failures of one reason are told this often at most; how many were left out is told with the next. */
const WARN_EVERY_MS = 1_000;

/**
 * One line for each call that failed: a bug of ours as an error, always; what else is not the caller's own doing as a warning,
 * at most one a second per reason; the rest at debug.
 */
export class CallLog {
  private readonly warned = new Map<Reason, { atMs: number; omitted: number }>();

  constructor(
    private readonly logger: Logger,
    private readonly clock: Clock,
  ) {}

  failed(call: ObservedCall, failure: BmsError): void {
    if (failure.reason === Reason.INTERNAL) {
      this.logger.error({ ...facts(call, failure), err: failure.cause ?? failure }, 'request failed: internal error');
    } else if (outcomeOf(failure) === 'failed') {
      this.warn(call, failure);
    } else {
      this.logger.debug(facts(call, failure), 'request refused');
    }
  }

  private warn(call: ObservedCall, failure: BmsError): void {
    const nowMs = this.clock.monotonicMs();
    const last = this.warned.get(failure.reason);
    if (last !== undefined && nowMs - last.atMs < WARN_EVERY_MS) {
      last.omitted++;
      return;
    }
    this.warned.set(failure.reason, { atMs: nowMs, omitted: 0 });
    this.logger.warn(
      { ...facts(call, failure), ...(last?.omitted ? { omitted: last.omitted } : {}) },
      'request failed',
    );
  }
}

function facts({ requestId, protocol, progress }: ObservedCall, failure: BmsError): Record<string, unknown> {
  return {
    requestId,
    protocol,
    tenant: progress.tenant,
    principal: progress.principal,
    version: progress.version?.id ?? '',
    worker: progress.workerId,
    attempts: progress.attempts,
    reason: outcomeName(failure),
    message: failure.message,
  };
}
