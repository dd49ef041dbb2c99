import { Reason } from './gen/bms/error/v1/error';

/** A reason's name without the enum's prefix, such as `NOT_READY`: so it travels in ErrorInfo, and so logs and metrics name it. */
export function reasonName(reason: Reason): string {
  return Reason[reason];
}

/** A field of a request and what is wrong with it. */
export interface FieldViolation {
  /** Path of the field, such as `inputs[0].shape`. */
  readonly field: string;
  /** What is wrong and what is allowed. */
  readonly description: string;
}

export interface BmsErrorOptions {
  /** The fields that are wrong; sent as google.rpc.BadRequest. */
  readonly violations?: readonly FieldViolation[];
  /** When trying again makes sense, in milliseconds from now; sent as google.rpc.RetryInfo. */
  readonly retryAfterMs?: number;
  /** Facts for programs, such as `model` or `worker`; sent in google.rpc.ErrorInfo.metadata. */
  readonly facts?: Readonly<Record<string, string>>;
  /** What led to it. Logged, never sent. */
  readonly cause?: unknown;
}

/**
 * The one error that crosses a boundary in BMS: a reason for programs and a sentence for people.
 * Its status code follows from the reason alone (transport's `status.ts`), so that a cause can
 * never be answered in two ways. Anything else that is thrown reaches a caller as INTERNAL.
 */
export class BmsError extends Error {
  override readonly name = 'BmsError';
  readonly violations: readonly FieldViolation[];
  readonly retryAfterMs: number | undefined;
  readonly facts: Readonly<Record<string, string>>;

  constructor(
    readonly reason: Reason,
    message: string,
    options: BmsErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.violations = options.violations ?? [];
    this.retryAfterMs = options.retryAfterMs;
    this.facts = options.facts ?? {};
  }

  /** A field of a request is missing or wrong; the message is `field: description`. */
  static invalidRequest(field: string, description: string): BmsError {
    return new BmsError(Reason.INVALID_REQUEST, `${field}: ${description}`, { violations: [{ field, description }] });
  }

  /** A tensor does not fit the model's signature; the message is `field: description`. */
  static invalidTensor(field: string, description: string): BmsError {
    return new BmsError(Reason.INVALID_TENSOR, `${field}: ${description}`, { violations: [{ field, description }] });
  }

  /** Whether `error` is a BmsError with one of `reasons`. */
  static is(error: unknown, ...reasons: readonly Reason[]): error is BmsError {
    return error instanceof BmsError && (reasons.length === 0 || reasons.includes(error.reason));
  }

  /** `error` itself when it is a BmsError, else an INTERNAL one that has it as its cause. */
  static from(error: unknown): BmsError {
    if (error instanceof BmsError) return error;
    const name = nameOf(error);
    if (name === 'AbortError') return new BmsError(Reason.CANCELLED, 'the call was cancelled', { cause: error });
    if (name === 'TimeoutError') return new BmsError(Reason.DEADLINE_EXCEEDED, 'the time is up', { cause: error });
    return new BmsError(Reason.INTERNAL, 'an internal error', { cause: error });
  }
}

/** The reasons of an AbortSignal are DOMExceptions, which another realm's `Error` does not claim. */
function nameOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'name' in error ? error.name : undefined;
}
