import { BmsError, Reason } from '@bms/contracts';
import { GrpcCode } from './grpc-code';
import { decodeDetails, encodeDetails } from './status-details';

/** How a call ended, as it travels in gRPC's trailers. */
export interface Status {
  readonly code: GrpcCode;
  /** A sentence for people; at most {@link MESSAGE_MAX_CHARACTERS} characters. */
  readonly message: string;
  /** An encoded google.rpc.Status, sent as `grpc-status-details-bin`; undefined where the peer gave none. */
  readonly details: Uint8Array | undefined;
}

/** Trailers are headers, and peers refuse big ones (node: 64 KiB in all). */
export const MESSAGE_MAX_CHARACTERS = 2000;

/** Trailer that carries {@link Status.details}. */
export const STATUS_DETAILS = 'grpc-status-details-bin';

interface Answer {
  readonly code: GrpcCode;
  readonly http: number;
  /** Whether the same call, sent again, may succeed without anybody changing anything. */
  readonly retryable: boolean;
}

const INPUT_WRONG: Answer = { code: GrpcCode.INVALID_ARGUMENT, http: 400, retryable: false };
const NOT_THERE: Answer = { code: GrpcCode.NOT_FOUND, http: 404, retryable: false };
const ILLEGAL_MOVE: Answer = { code: GrpcCode.FAILED_PRECONDITION, http: 409, retryable: false };
const NOT_NOW: Answer = { code: GrpcCode.UNAVAILABLE, http: 503, retryable: true };
const OUR_BUG: Answer = { code: GrpcCode.INTERNAL, http: 500, retryable: false };

/** The one table from reasons to codes. A reason without a line here does not compile. */
const ANSWERS: Readonly<Record<Reason, Answer>> = {
  [Reason.UNSPECIFIED]: OUR_BUG,

  [Reason.INVALID_REQUEST]: INPUT_WRONG,
  [Reason.INVALID_TENSOR]: INPUT_WRONG,
  [Reason.INVALID_MODEL]: INPUT_WRONG,
  [Reason.INVALID_CONFIG]: INPUT_WRONG,
  [Reason.DIGEST_MISMATCH]: INPUT_WRONG,
  [Reason.MESSAGE_TOO_LARGE]: { code: GrpcCode.RESOURCE_EXHAUSTED, http: 413, retryable: false },

  [Reason.MODEL_NOT_FOUND]: NOT_THERE,
  [Reason.VERSION_NOT_FOUND]: NOT_THERE,
  [Reason.LABEL_NOT_FOUND]: NOT_THERE,
  [Reason.NO_ACTIVE_VERSION]: NOT_THERE,
  [Reason.VERSION_OFFLINE]: NOT_THERE,
  [Reason.BLOB_NOT_FOUND]: NOT_THERE,
  [Reason.WORKER_NOT_FOUND]: NOT_THERE,

  [Reason.UNAUTHENTICATED]: { code: GrpcCode.UNAUTHENTICATED, http: 401, retryable: false },
  [Reason.PERMISSION_DENIED]: { code: GrpcCode.PERMISSION_DENIED, http: 403, retryable: false },

  [Reason.ILLEGAL_TRANSITION]: ILLEGAL_MOVE,
  [Reason.IN_USE]: ILLEGAL_MOVE,
  [Reason.NOTHING_TO_ROLL_BACK]: ILLEGAL_MOVE,
  [Reason.STORE_IN_DOUBT]: ILLEGAL_MOVE,
  [Reason.ALREADY_EXISTS]: { code: GrpcCode.ALREADY_EXISTS, http: 409, retryable: false },
  // Reading again and deciding is the caller's part, so repeating the call as it is gains nothing.
  [Reason.CONFLICT]: { code: GrpcCode.ABORTED, http: 409, retryable: false },

  [Reason.NOT_READY]: NOT_NOW,
  // Held back until somebody acts: not now, but repeating it does not help either.
  [Reason.QUARANTINED]: { ...NOT_NOW, retryable: false },
  [Reason.OVERLOADED]: { code: GrpcCode.RESOURCE_EXHAUSTED, http: 429, retryable: true },
  [Reason.REPLICA_GONE]: NOT_NOW,
  [Reason.WORKER_LOST]: NOT_NOW,
  [Reason.DRAINING]: NOT_NOW,
  [Reason.STORE_UNAVAILABLE]: NOT_NOW,
  [Reason.UPLOAD_INTERRUPTED]: NOT_NOW,
  [Reason.CONNECTION_FAILED]: NOT_NOW,
  // Clients and proxies repeat UNAVAILABLE and 503 by themselves, and ABORTED says that nothing happened;
  // a write that may have happened must be looked at first, and UNKNOWN is what nobody repeats blindly.
  [Reason.OUTCOME_UNKNOWN]: { code: GrpcCode.UNKNOWN, http: 500, retryable: false },

  [Reason.DEADLINE_EXCEEDED]: { code: GrpcCode.DEADLINE_EXCEEDED, http: 504, retryable: false },
  [Reason.CANCELLED]: { code: GrpcCode.CANCELLED, http: 499, retryable: false },

  [Reason.MODEL_FAILED]: OUR_BUG,
  [Reason.UNIMPLEMENTED]: { code: GrpcCode.UNIMPLEMENTED, http: 501, retryable: false },
  [Reason.INTERNAL]: OUR_BUG,
};

/** What a status without our ErrorInfo means: the nearest reason. */
const FOREIGN: Readonly<Record<GrpcCode, Reason>> = {
  [GrpcCode.OK]: Reason.INTERNAL,
  [GrpcCode.CANCELLED]: Reason.CANCELLED,
  [GrpcCode.UNKNOWN]: Reason.INTERNAL,
  [GrpcCode.INVALID_ARGUMENT]: Reason.INVALID_REQUEST,
  [GrpcCode.DEADLINE_EXCEEDED]: Reason.DEADLINE_EXCEEDED,
  [GrpcCode.NOT_FOUND]: Reason.MODEL_NOT_FOUND,
  [GrpcCode.ALREADY_EXISTS]: Reason.ALREADY_EXISTS,
  [GrpcCode.PERMISSION_DENIED]: Reason.PERMISSION_DENIED,
  [GrpcCode.RESOURCE_EXHAUSTED]: Reason.OVERLOADED,
  [GrpcCode.FAILED_PRECONDITION]: Reason.ILLEGAL_TRANSITION,
  [GrpcCode.ABORTED]: Reason.CONFLICT,
  [GrpcCode.OUT_OF_RANGE]: Reason.INVALID_REQUEST,
  [GrpcCode.UNIMPLEMENTED]: Reason.UNIMPLEMENTED,
  [GrpcCode.INTERNAL]: Reason.INTERNAL,
  [GrpcCode.UNAVAILABLE]: Reason.NOT_READY,
  [GrpcCode.DATA_LOSS]: Reason.INTERNAL,
  [GrpcCode.UNAUTHENTICATED]: Reason.UNAUTHENTICATED,
};

/** The HTTP status that a reason is answered with. */
export function httpStatusOf(reason: Reason): number {
  return ANSWERS[reason].http;
}

/**
 * Whether the same call, sent again, may succeed without anybody changing anything. It says nothing about side
 * effects: after WORKER_LOST and UPLOAD_INTERRUPTED the first one may have had its effect.
 */
export function retryable(reason: Reason): boolean {
  return ANSWERS[reason].retryable;
}

/**
 * What a caller is told about `error`. Anything but a BmsError becomes INTERNAL, "an internal error": what a
 * foreign error says is for the log.
 */
export function statusOf(error: unknown): Status {
  const { reason, message, violations, retryAfterMs, facts } = BmsError.from(error);
  const { code } = ANSWERS[reason];
  const text = wellFormed(message, MESSAGE_MAX_CHARACTERS);
  return { code, message: text, details: encodeDetails(code, text, { reason, violations, retryAfterMs, facts }) };
}

/**
 * The error that a peer answered with, as {@link statusOf} encoded it. A status of a foreign server keeps its
 * message and becomes the nearest reason.
 * @param path the call that was answered; named in the error's cause
 */
export function errorOf(status: Status, path?: string): BmsError {
  const details = status.details === undefined ? undefined : decodeDetails(status.details);
  const reason = details?.reason ?? FOREIGN[status.code] ?? Reason.INTERNAL;
  const retryAfterMs = details?.retryAfterMs;
  return new BmsError(reason, status.message === '' ? `the peer answered ${nameOf(status.code)}` : status.message, {
    violations: details?.violations ?? [],
    facts: details?.facts ?? {},
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(path === undefined ? {} : { cause: new Error(`${path} answered ${nameOf(status.code)}`) }),
  });
}

function nameOf(code: GrpcCode): string {
  return Object.entries(GrpcCode).find(([, value]) => value === code)?.[0] ?? `code ${code}`;
}

/** Lone surrogates cannot be percent-encoded, which is how a message travels. */
function wellFormed(text: string, maxCharacters: number): string {
  const cut = text.length > maxCharacters ? `${text.slice(0, maxCharacters - 1)}…` : text;
  return cut.replace(/\p{Surrogate}/gu, '\uFFFD');
}
