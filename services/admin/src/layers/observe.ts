import { BmsError, Reason, reasonName } from '@bms/contracts';
import { Counter, Histogram, LATENCY_BUCKETS_SECONDS, type Logger, type Registry } from '@bms/telemetry';
import type { ManagementCall, ManagementLayer } from '../management-call';

/** Counts, times and logs each call once. */
export function observe(metrics: Registry, logger: Logger, nowMs: () => number): ManagementLayer {
  const calls = new Counter({
    name: 'bms_admin_calls_total',
    help: 'Management calls by method, protocol and outcome (OK or the reason)',
    labelNames: ['method', 'via', 'outcome'],
    registers: [metrics],
  });
  const seconds = new Histogram({
    name: 'bms_admin_call_seconds',
    help: 'How long management calls took',
    labelNames: ['method'],
    buckets: LATENCY_BUCKETS_SECONDS,
    registers: [metrics],
  });
  return (next) => async (call) => {
    const startedMs = nowMs();
    const method = call.method.path;
    const end = (outcome: string): void => {
      calls.inc({ method, via: call.via, outcome });
      seconds.observe({ method }, (nowMs() - startedMs) / 1000);
    };
    try {
      const answer = await next(call);
      end('OK');
      logger[call.method.changes ? 'info' : 'debug'](describe(call), 'answered');
      return answer;
    } catch (error) {
      const { reason, message } = BmsError.from(error);
      end(reasonName(reason));
      const isOurs = reason === Reason.INTERNAL;
      const facts = { ...describe(call), reason: reasonName(reason), message, ...(isOurs ? { err: error } : {}) };
      logger[isOurs ? 'error' : call.method.changes ? 'info' : 'debug'](facts, 'refused');
      throw error;
    }
  };
}

function describe({ method, requestId, via, peer }: ManagementCall): Readonly<Record<string, string>> {
  return { method: method.path, requestId, via, peer };
}
