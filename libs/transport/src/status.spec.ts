import { BmsError, Reason, rpc } from '@bms/contracts';
import { GrpcCode } from './grpc-code';
import { errorOf, httpStatusOf, retryable, statusOf } from './status';

const REASONS = Object.values(Reason).filter((value): value is Reason => typeof value === 'number');

/** Written out once more on purpose: what callers see is a contract. */
const EXPECTED: Readonly<Record<keyof typeof Reason, [keyof typeof GrpcCode, number]>> = {
  UNSPECIFIED: ['INTERNAL', 500],
  INVALID_REQUEST: ['INVALID_ARGUMENT', 400],
  INVALID_TENSOR: ['INVALID_ARGUMENT', 400],
  INVALID_MODEL: ['INVALID_ARGUMENT', 400],
  INVALID_CONFIG: ['INVALID_ARGUMENT', 400],
  MESSAGE_TOO_LARGE: ['RESOURCE_EXHAUSTED', 413],
  DIGEST_MISMATCH: ['INVALID_ARGUMENT', 400],
  MODEL_NOT_FOUND: ['NOT_FOUND', 404],
  VERSION_NOT_FOUND: ['NOT_FOUND', 404],
  LABEL_NOT_FOUND: ['NOT_FOUND', 404],
  NO_ACTIVE_VERSION: ['NOT_FOUND', 404],
  VERSION_OFFLINE: ['NOT_FOUND', 404],
  BLOB_NOT_FOUND: ['NOT_FOUND', 404],
  WORKER_NOT_FOUND: ['NOT_FOUND', 404],
  UNAUTHENTICATED: ['UNAUTHENTICATED', 401],
  PERMISSION_DENIED: ['PERMISSION_DENIED', 403],
  ILLEGAL_TRANSITION: ['FAILED_PRECONDITION', 409],
  IN_USE: ['FAILED_PRECONDITION', 409],
  NOTHING_TO_ROLL_BACK: ['FAILED_PRECONDITION', 409],
  STORE_IN_DOUBT: ['FAILED_PRECONDITION', 409],
  ALREADY_EXISTS: ['ALREADY_EXISTS', 409],
  CONFLICT: ['ABORTED', 409],
  NOT_READY: ['UNAVAILABLE', 503],
  QUARANTINED: ['UNAVAILABLE', 503],
  OVERLOADED: ['RESOURCE_EXHAUSTED', 429],
  REPLICA_GONE: ['UNAVAILABLE', 503],
  WORKER_LOST: ['UNAVAILABLE', 503],
  DRAINING: ['UNAVAILABLE', 503],
  STORE_UNAVAILABLE: ['UNAVAILABLE', 503],
  OUTCOME_UNKNOWN: ['UNKNOWN', 500],
  UPLOAD_INTERRUPTED: ['UNAVAILABLE', 503],
  CONNECTION_FAILED: ['UNAVAILABLE', 503],
  DEADLINE_EXCEEDED: ['DEADLINE_EXCEEDED', 504],
  CANCELLED: ['CANCELLED', 499],
  MODEL_FAILED: ['INTERNAL', 500],
  UNIMPLEMENTED: ['UNIMPLEMENTED', 501],
  INTERNAL: ['INTERNAL', 500],
};

describe('a status', () => {
  test.each(REASONS.map((reason) => [Reason[reason] as keyof typeof Reason, reason] as const))(
    'of %s has its codes and comes back as the same error',
    (name, reason) => {
      const error = new BmsError(reason, `${name}: what happened`, {
        violations: [{ field: 'inputs[0].shape', description: '2 dimensions are allowed' }],
        retryAfterMs: 1250,
        facts: { model: 'default/digits', worker: 'w1' },
      });
      const status = statusOf(error);
      const [code, http] = EXPECTED[name];
      expect(status).toMatchObject({ code: GrpcCode[code], message: error.message });
      expect(httpStatusOf(reason)).toBe(http);

      const { message, violations, retryAfterMs, facts } = error;
      expect(errorOf(status, '/a.B/C')).toMatchObject({ reason, message, violations, retryAfterMs, facts });
    },
  );

  test('carries the standard details, so that any client can read them', () => {
    const { details } = statusOf(
      new BmsError(Reason.OVERLOADED, 'too much', { retryAfterMs: 2500, facts: { queue: '7' } }),
    );
    const decoded = rpc.Status.decode(details ?? new Uint8Array());
    expect(decoded).toMatchObject({ code: GrpcCode.RESOURCE_EXHAUSTED, message: 'too much' });
    expect(decoded.details.map(({ typeUrl }) => typeUrl)).toEqual([
      'type.googleapis.com/google.rpc.ErrorInfo',
      'type.googleapis.com/google.rpc.RetryInfo',
    ]);
    const [info, retry] = decoded.details;
    expect(rpc.ErrorInfo.decode(info?.value ?? new Uint8Array())).toEqual({
      reason: 'OVERLOADED',
      domain: 'bms',
      metadata: { queue: '7' },
    });
    expect(rpc.RetryInfo.decode(retry?.value ?? new Uint8Array())).toEqual({
      retryDelay: { seconds: 2n, nanos: 500_000_000 },
    });
  });

  test('hides what a foreign error says', () => {
    const status = statusOf(new TypeError('/secret/path is not a function'));
    expect(status).toMatchObject({ code: GrpcCode.INTERNAL, message: 'an internal error' });
    expect(Buffer.from(status.details ?? []).toString('latin1')).not.toContain('secret');
    expect(statusOf('thrown text').message).toBe('an internal error');
    expect(statusOf(undefined).code).toBe(GrpcCode.INTERNAL);
  });

  test('of an abort is CANCELLED', () => {
    const aborted: unknown = AbortSignal.abort().reason;
    expect(statusOf(aborted).code).toBe(GrpcCode.CANCELLED);
  });

  test('stays small enough for a header, and can be percent-encoded, whatever the error holds', () => {
    const long = 'x'.repeat(1_000_000);
    const status = statusOf(
      new BmsError(Reason.INVALID_REQUEST, `\uD800${long}`, {
        violations: Array.from({ length: 1000 }, () => ({ field: long, description: long })),
        facts: Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`fact${i}`, long])),
      }),
    );
    expect(status.message).toHaveLength(2000);
    expect(() => encodeURI(status.message)).not.toThrow();
    expect(status.details?.byteLength).toBeLessThan(40_000);
    expect(errorOf(status).violations).toHaveLength(20);
  });
});

describe('a foreign status', () => {
  test.each([
    ['INVALID_ARGUMENT', Reason.INVALID_REQUEST],
    ['NOT_FOUND', Reason.MODEL_NOT_FOUND],
    ['UNAVAILABLE', Reason.NOT_READY],
    ['RESOURCE_EXHAUSTED', Reason.OVERLOADED],
    ['ABORTED', Reason.CONFLICT],
    ['UNIMPLEMENTED', Reason.UNIMPLEMENTED],
    ['UNKNOWN', Reason.INTERNAL],
    ['DATA_LOSS', Reason.INTERNAL],
  ] as const)('%s becomes the nearest reason and keeps its message', (code, reason) => {
    const error = errorOf({ code: GrpcCode[code], message: 'in their words', details: undefined });
    expect(error).toMatchObject({ reason, message: 'in their words', violations: [], facts: {} });
  });

  test.each([
    ['no protobuf at all', Buffer.from([255, 255, 255])],
    ["another domain's ErrorInfo", detailsWith({ reason: 'NOT_READY', domain: 'example.com', metadata: {} })],
    ['a reason of a later version', detailsWith({ reason: 'NOT_INVENTED_YET', domain: 'bms', metadata: {} })],
    ['a name that only objects have', detailsWith({ reason: 'toString', domain: 'bms', metadata: {} })],
  ])('with %s is judged by its code', (_, details) => {
    const status = { code: GrpcCode.ABORTED, message: 'm', details };
    expect(errorOf(status).reason).toBe(Reason.CONFLICT);
  });

  test('without a message says which code came', () => {
    expect(errorOf({ code: GrpcCode.ABORTED, message: '', details: undefined }).message).toContain('ABORTED');
  });

  test('names the call in its cause', () => {
    const { cause } = errorOf({ code: GrpcCode.ABORTED, message: 'm', details: undefined }, '/a.B/C on h:1');
    expect(String(cause)).toContain('/a.B/C on h:1');
  });
});

test('what must not be repeated blindly is not retryable', () => {
  const repeated = REASONS.filter((reason) => retryable(reason)).map((reason) => Reason[reason]);
  expect(repeated).toEqual([
    'NOT_READY',
    'OVERLOADED',
    'REPLICA_GONE',
    'WORKER_LOST',
    'DRAINING',
    'STORE_UNAVAILABLE',
    'UPLOAD_INTERRUPTED',
    'CONNECTION_FAILED',
  ]);
});

function detailsWith(info: rpc.ErrorInfo): Uint8Array {
  const value = rpc.ErrorInfo.encode(info).finish();
  return rpc.Status.encode({
    code: 0,
    message: '',
    details: [{ typeUrl: 'type.googleapis.com/google.rpc.ErrorInfo', value }],
  }).finish();
}
