import { Reason, reasonName } from '@bms/contracts';
import type { BmsError } from '@bms/contracts';

/** How a call is counted: see CallTotals in the contracts. `cancelled` ended for nobody, and is counted nowhere. */
export type Outcome = 'answered' | 'failed' | 'rejected' | 'cancelled';

/** The outcome of a call that ended with `failure`, or with an answer. */
export function outcomeOf(failure: BmsError | undefined): Outcome {
  switch (failure?.reason) {
    case undefined:
      return 'answered';
    case Reason.CANCELLED:
      return 'cancelled';
    case Reason.INVALID_REQUEST:
    case Reason.INVALID_TENSOR:
    case Reason.MESSAGE_TOO_LARGE:
    case Reason.MODEL_NOT_FOUND:
    case Reason.VERSION_NOT_FOUND:
    case Reason.LABEL_NOT_FOUND:
    case Reason.NO_ACTIVE_VERSION:
    case Reason.VERSION_OFFLINE:
    case Reason.UNAUTHENTICATED:
    case Reason.PERMISSION_DENIED:
    case Reason.UNIMPLEMENTED:
      return 'rejected';
    default:
      return 'failed';
  }
}

/** The reason as metrics and logs name it; `OK` for an answer. */
export function outcomeName(failure: BmsError | undefined): string {
  return failure === undefined ? 'OK' : reasonName(failure.reason);
}
