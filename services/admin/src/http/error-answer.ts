import { BmsError, reasonName, type FieldViolation } from '@bms/contracts';
import { GrpcCode, httpStatusOf, statusOf } from '@bms/transport';

/** The body of every refused or failed HTTP call. */
export interface ErrorAnswer {
  readonly error: {
    /** The gRPC code's name. */
    readonly code: string;
    readonly reason: string;
    readonly message: string;
    readonly violations: readonly FieldViolation[];
  };
}

/** Status and body for anything that was thrown; what is not a BmsError is INTERNAL and says nothing of itself. */
export function errorAnswer(thrown: unknown): { readonly status: number; readonly body: ErrorAnswer } {
  const error = BmsError.from(thrown);
  const { code, message } = statusOf(error);
  return {
    status: httpStatusOf(error.reason),
    body: {
      error: {
        code: Object.entries(GrpcCode).find(([, value]) => value === code)?.[0] ?? 'UNKNOWN',
        reason: reasonName(error.reason),
        message,
        violations: error.violations,
      },
    },
  };
}
