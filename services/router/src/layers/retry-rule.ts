import { Reason } from '@bms/contracts';

/**
 * What to do with a call after a failed attempt.
 * - `elsewhere`: it did not run there; another replica takes it
 * - `replay`: it may have run there; predictions may run twice, but not on and on, since it may be what kills workers
 * - `give-up`: another attempt would end the same way, or nobody waits any more
 */
export type NextStep = 'elsewhere' | 'replay' | 'give-up';

export function stepAfter(reason: Reason): NextStep {
  switch (reason) {
    case Reason.CONNECTION_FAILED:
    case Reason.REPLICA_GONE:
    case Reason.DRAINING:
    case Reason.OVERLOADED:
    case Reason.NOT_READY:
      return 'elsewhere';
    case Reason.WORKER_LOST:
      return 'replay';
    default:
      return 'give-up';
  }
}
