import { BmsError, Reason } from '@bms/contracts';
import { errorOf, GrpcCode, statusOf } from '@bms/transport';
import { appendStatus, statusIn } from './status-fields';

const ROOM_BYTES = 6 * 1024 + 100;

function sizeOf(fields: readonly string[]): number {
  return fields.reduce((sum, text) => sum + text.length, 0);
}

function sent(error: BmsError): string[] {
  const fields: string[] = [];
  appendStatus(fields, statusOf(error));
  return fields;
}

function received(fields: readonly string[]): BmsError {
  const status = statusIn(fields);
  if (status === undefined) throw new Error('no status');
  return errorOf(status);
}

describe('a status in trailers', () => {
  it('is its code alone where all went well', () => {
    const fields: string[] = [];
    appendStatus(fields, { code: GrpcCode.OK, message: '', details: undefined });
    expect(fields).toEqual(['grpc-status', '0']);
  });

  it('comes back as the same error', () => {
    const error = new BmsError(Reason.OVERLOADED, 'too much: 100% “busy”', {
      retryAfterMs: 1250,
      facts: { queue: '7' },
      violations: [{ field: 'a', description: 'b' }],
    });
    const { reason, message, retryAfterMs, facts, violations } = error;
    expect(received(sent(error))).toMatchObject({ reason, message, retryAfterMs, facts, violations });
  });

  it.each([
    ['a long message beyond ASCII', new BmsError(Reason.REPLICA_GONE, '模'.repeat(1_900))],
    [
      'many facts',
      new BmsError(Reason.REPLICA_GONE, 'x'.repeat(1_900), {
        violations: Array.from({ length: 20 }, () => ({ field: 'f', description: 'd'.repeat(400) })),
      }),
    ],
  ])('keeps its reason and fits into what peers take, with %s', (_what, error) => {
    const fields = sent(error);
    expect(sizeOf(fields)).toBeLessThan(ROOM_BYTES);
    const back = received(fields);
    expect(back.reason).toBe(Reason.REPLICA_GONE);
    expect(back.message.length).toBeGreaterThan(400);
    expect(error.message.startsWith(back.message)).toBe(true);
  });

  it('goes without details that cannot be made to fit', () => {
    const facts = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`f${i}`, 'v'.repeat(500)]));
    const fields = sent(new BmsError(Reason.REPLICA_GONE, 'gone', { facts }));
    expect(fields).toEqual(['grpc-status', '14', 'grpc-message', 'gone']);

    const foreign: string[] = [];
    appendStatus(foreign, { code: GrpcCode.ABORTED, message: 'no', details: Buffer.alloc(9_000, 0xff) });
    expect(foreign).toEqual(['grpc-status', '10', 'grpc-message', 'no']);
  });

  it.each(Object.entries(GrpcCode))('is read as %s', (_name, code) => {
    expect(statusIn(['grpc-status', String(code)])).toEqual({ code, message: '', details: undefined });
  });

  it.each(['', '00', '17', '-1', '0x0', '1.0', ' 0', '0 ', 'OK', '0, 0', '99999999999999999999'])(
    'with the code %j is UNKNOWN, and never OK',
    (value) => {
      expect(statusIn(['grpc-status', value])?.code).toBe(GrpcCode.UNKNOWN);
    },
  );

  it('that comes twice is UNKNOWN', () => {
    expect(statusIn(['grpc-status', '0', 'grpc-status', '0'])?.code).toBe(GrpcCode.UNKNOWN);
  });

  it('is missing where no code is', () => {
    expect(statusIn([':status', '200', 'grpc-message', 'hello'])).toBeUndefined();
  });

  it('has no details where they are no base64', () => {
    expect(statusIn(['grpc-status', '5', 'grpc-status-details-bin', '?'])).toMatchObject({
      code: 5,
      details: undefined,
    });
  });
});
