import { GrpcCode } from '@bms/transport';
import { readResponseHead, readTrailers } from './response-head';

const HEAD = [':status', '200', 'content-type', 'application/grpc'];

describe('the first header list of an answer', () => {
  it('opens an answer, and tells how its messages are compressed', () => {
    const head = readResponseHead([...HEAD, 'grpc-encoding', 'gzip', 'x-a', '1'], false);
    expect(head).toMatchObject({ kind: 'open', httpStatus: 200, encoding: 'gzip' });
    expect(head.kind === 'open' && head.metadata.get('x-a')).toBe('1');
    expect(readResponseHead(HEAD, false)).toMatchObject({ encoding: 'identity' });
  });

  it('is the whole answer where the stream ends with it', () => {
    const end = readResponseHead([...HEAD, 'grpc-status', '5', 'grpc-message', 'no%20such', 'x-a', '1'], true);
    expect(end).toMatchObject({ kind: 'ended', status: { code: GrpcCode.NOT_FOUND, message: 'no such' } });
    expect(end.kind === 'ended' && end.trailers.get('x-a')).toBe('1');
    expect(end.kind === 'ended' && end.trailers.get('grpc-status')).toBeUndefined();
  });

  it('leaves it to the trailers what an answer of gRPC with another HTTP status was', () => {
    const head = readResponseHead([':status', '503', 'content-type', 'application/grpc'], false);
    expect(head).toMatchObject({ kind: 'open', httpStatus: 503 });
    expect(readTrailers(['grpc-status', '8'], 503).status.code).toBe(GrpcCode.RESOURCE_EXHAUSTED);
    expect(readTrailers([], 503).status.code).toBe(GrpcCode.UNAVAILABLE);
  });

  const HTTP: readonly (readonly [number, keyof typeof GrpcCode])[] = [
    [400, 'INTERNAL'],
    [431, 'INTERNAL'],
    [401, 'UNAUTHENTICATED'],
    [403, 'PERMISSION_DENIED'],
    [404, 'UNIMPLEMENTED'],
    [429, 'UNAVAILABLE'],
    [502, 'UNAVAILABLE'],
    [503, 'UNAVAILABLE'],
    [504, 'UNAVAILABLE'],
    [200, 'UNKNOWN'],
    [204, 'UNKNOWN'],
    [302, 'UNKNOWN'],
    [405, 'UNKNOWN'],
    [415, 'UNKNOWN'],
    [500, 'UNKNOWN'],
    [999, 'UNKNOWN'],
  ];
  it.each(HTTP)('with HTTP %d and no gRPC status means %s, with a body of another type or none', (http, name) => {
    for (const ended of [true, false]) {
      const end = readResponseHead([':status', String(http), 'content-type', 'text/html'], ended);
      expect(end).toMatchObject({
        kind: 'ended',
        status: { code: GrpcCode[name], message: `the peer answered HTTP ${http} without a gRPC status` },
      });
    }
  });

  it.each(HTTP)('with HTTP %d and a gRPC status means what that says', (http) => {
    const end = readResponseHead([':status', String(http), 'content-type', 'text/html', 'grpc-status', '7'], true);
    expect(end).toMatchObject({ kind: 'ended', status: { code: GrpcCode.PERMISSION_DENIED } });
  });

  it('is never OK where the stream ends without a status', () => {
    expect(readResponseHead(HEAD, true)).toMatchObject({ kind: 'ended', status: { code: GrpcCode.UNKNOWN } });
    expect(readTrailers([], 200).status.code).toBe(GrpcCode.UNKNOWN);
    expect(readTrailers(['x-a', '1'], 200).trailers.get('x-a')).toBe('1');
  });
});
