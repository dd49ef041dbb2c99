import { Reason } from '@bms/contracts';
import { callFields } from '../testkit/grpc-request';
import { requestFault } from './header-rules';
import { readRequestHead } from './request-head';
import { randomText, seededRandom } from './seeded-random.fixture';

const PATH = '/inference.GRPCInferenceService/ModelInfer';

/** A call with one field changed. */
function callWith(name: string, value: string): string[] {
  const fields = [...callFields(PATH)];
  fields[fields.indexOf(name) + 1] = value;
  return fields;
}

describe('readRequestHead', () => {
  it('reads what a call says before its first message', () => {
    const head = readRequestHead(
      callFields(PATH, ['grpc-timeout', '250m', 'grpc-encoding', 'gzip', 'x-a', '1', 'user-agent', 'test', 'x-a', '2']),
    );
    expect(head).toMatchObject({
      kind: 'call',
      path: PATH,
      authority: 'localhost',
      timeoutMs: 250,
      encoding: 'gzip',
    });
    if (head.kind !== 'call') throw new Error('no call');
    expect([...head.metadata.entries()]).toEqual([
      ['x-a', '1, 2'],
      ['user-agent', 'test'],
    ]);
    expect(head.metadata).toBe(head.metadata);
  });

  it('needs no more than HTTP/2 and a content type', () => {
    const fields = [':method', 'POST', ':scheme', 'http', ':path', '/a/B', 'content-type', 'application/grpc'];
    expect(readRequestHead(fields)).toMatchObject({
      path: '/a/B',
      authority: '',
      timeoutMs: undefined,
      encoding: 'identity',
    });
    expect(readRequestHead([...fields, 'host', 'here'])).toMatchObject({ authority: 'here' });
  });

  it.each(['GET', 'PUT', 'post', 'OPTIONS', 'CONNECT', 'POST '])('answers 405 to %j', (method) => {
    expect(readRequestHead(callWith(':method', method))).toEqual({ kind: 'no-call', httpStatus: 405 });
  });

  it.each([
    'application/grpc',
    'application/grpc+proto',
    'application/grpc;charset=utf-8',
    'Application/gRPC+proto ; a=b',
  ])('takes %j', (type) => {
    expect(readRequestHead(callWith('content-type', type))).toMatchObject({ kind: 'call' });
  });

  it.each([
    'application/grpc+json',
    'application/grpc-web',
    'application/grpc-web+proto',
    'application/grpcx',
    'application/json',
    'application/grpc, application/grpc',
    'text/plain',
    '',
    ';application/grpc',
  ])('answers 415 to %j', (type) => {
    expect(readRequestHead(callWith('content-type', type))).toEqual({ kind: 'no-call', httpStatus: 415 });
  });

  it('answers 415 where the content type is missing or comes twice', () => {
    const fields = callFields(PATH);
    expect(readRequestHead(fields.slice(0, -2))).toMatchObject({ httpStatus: 415 });
    expect(readRequestHead([...fields, 'content-type', 'application/grpc'])).toMatchObject({ httpStatus: 415 });
  });

  it.each([
    'inference.GRPCInferenceService/ModelInfer',
    `/${PATH}`,
    `${PATH}/`,
    `/x${PATH}`,
    '/',
    '//',
    '/a',
    '/a/',
    '//a',
    '*',
    `${PATH}?a=b`,
    `${PATH}#a`,
    '/inference.GRPCInferenceService%2FModelInfer',
    '/inference.GRPCInferenceService/Model%49nfer',
    '/a/b c',
    '/a/ü',
    '/a\\b',
    '/a/b;c',
    'http://localhost/a/B',
    '/a/../a/B',
  ])('answers UNIMPLEMENTED to the path %j', (path) => {
    const verdict = readRequestHead(callWith(':path', path));
    expect(verdict).toMatchObject({ kind: 'refused', error: { reason: Reason.UNIMPLEMENTED } });
  });

  it.each(['', '1', 'S', '1s', '123456789S', '-1S', '1.5S', 'NaNS'])('refuses the timeout %j and says why', (value) => {
    expect(readRequestHead(callFields(PATH, ['grpc-timeout', value]))).toMatchObject({
      kind: 'refused',
      error: {
        reason: Reason.INVALID_REQUEST,
        message: `grpc-timeout: ${JSON.stringify(value)}; one to eight digits and one of H, M, S, m, u and n are allowed`,
      },
    });
  });

  it('refuses two timeouts, for which of them counts nobody knows', () => {
    const verdict = readRequestHead(callFields(PATH, ['grpc-timeout', '1S', 'grpc-timeout', '1S']));
    expect(verdict).toMatchObject({ kind: 'refused', error: { reason: Reason.INVALID_REQUEST } });
  });

  it('takes two encodings for one that nobody knows', () => {
    const verdict = readRequestHead(callFields(PATH, ['grpc-encoding', 'gzip', 'grpc-encoding', 'identity']));
    expect(verdict).toMatchObject({ kind: 'call', encoding: 'gzip, identity' });
  });

  it('never throws, whatever HTTP/2 lets through', () => {
    const random = seededRandom(29);
    const kinds = new Set<string>();
    for (let i = 0; i < 30_000; i++) {
      const fields = [...callFields(PATH)];
      for (let n = Math.floor(random() * 3); n > 0; n--) {
        const at = 1 + 2 * Math.floor((random() * fields.length) / 2);
        if (random() < 0.5) fields[at] = randomText(random, '/aS1.%~', 1 + Math.floor(random() * 6));
        else fields.push(`grpc-${randomText(random, 'timeout', 7)}`, randomText(random, '12Sm', 2));
      }
      if (requestFault(fields).fault !== undefined) continue;
      const verdict = readRequestHead(fields);
      kinds.add(verdict.kind);
      if (verdict.kind === 'call') kinds.add(typeof verdict.metadata);
    }
    expect([...kinds].sort()).toEqual(['call', 'no-call', 'object', 'refused']);
  });
});
