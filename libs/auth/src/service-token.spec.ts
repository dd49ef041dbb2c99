import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BmsError, Reason } from '@bms/contracts';
import { Metadata, type Route, type ServerCall } from '@bms/transport';
import { bearer, ensureServiceToken, guardRoutes, readServiceToken } from './service-token';

function callWith(metadata: Metadata): ServerCall {
  return {
    path: '/x',
    metadata,
    deadlineMs: undefined,
    signal: new AbortController().signal,
    cancel: new AbortController().signal,
    peer: '',
    trailers: new Metadata(),
  };
}

describe('the service token', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'bms-token-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is made once, for its owner alone, and stays', () => {
    expect(readServiceToken(folder)).toBeUndefined();
    const token = ensureServiceToken(folder);
    expect(token.length).toBeGreaterThanOrEqual(43);
    expect(statSync(join(folder, 'service-token')).mode & 0o777).toBe(0o600);
    expect(ensureServiceToken(folder)).toBe(token);
  });

  it('is refused from a file that others may read', () => {
    ensureServiceToken(folder);
    chmodSync(join(folder, 'service-token'), 0o644);
    expect(() => readServiceToken(folder)).toThrow('chmod 600');
  });
});

describe('guardRoutes', () => {
  const routes = guardRoutes(
    new Map<string, Route>([
      ['/open', { kind: 'unary', handle: async (request) => request }],
      ['/shut', { kind: 'unary', handle: async (request) => request }],
      ['/flow', { kind: 'stream', handle: (requests) => requests }],
    ]),
    'secret',
    new Set(['/open']),
  );
  const unary = async (path: string, metadata: Metadata): Promise<unknown> => {
    const route = routes.get(path);
    if (route?.kind !== 'unary') throw new Error('no such unary route');
    return route.handle(new Uint8Array(), callWith(metadata));
  };

  it('lets everyone into open paths, and only holders of the token into others', async () => {
    await expect(unary('/open', new Metadata())).resolves.toBeDefined();
    await expect(unary('/shut', new Metadata().set('authorization', bearer('secret')))).resolves.toBeDefined();
  });

  it.each([
    ['no token', undefined],
    ['another token', bearer('other')],
    ['the token without its scheme', 'secret'],
    ['an empty token', ''],
  ])('refuses %s', async (_name, value) => {
    const metadata = value === undefined ? new Metadata() : new Metadata().set('authorization', value);
    const error = await unary('/shut', metadata).catch((thrown: unknown) => thrown);
    expect(BmsError.is(error, Reason.UNAUTHENTICATED)).toBe(true);
  });

  it('refuses a stream before it reads from it', async () => {
    const route = routes.get('/flow');
    if (route?.kind !== 'stream') throw new Error('no such stream');
    const requests = {
      [Symbol.asyncIterator]: (): AsyncIterator<Uint8Array> => {
        throw new Error('was read');
      },
    };
    const first = route.handle(requests, callWith(new Metadata()))[Symbol.asyncIterator]().next();
    await expect(first).rejects.toMatchObject({ reason: Reason.UNAUTHENTICATED });
  });
});
