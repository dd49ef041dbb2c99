import { health, Reason } from '@bms/contracts';
import type { Bytes, CallOptions, ServerCall } from './call';
import type { Channel } from './channel';
import { createClient } from './client';
import { implement, mergeRoutes } from './implement';
import { Metadata } from './metadata';

const CALL: ServerCall = {
  path: '/grpc.health.v1.Health/Check',
  metadata: new Metadata(),
  trailers: new Metadata(),
  deadlineMs: undefined,
  signal: new AbortController().signal,
  cancel: new AbortController().signal,
  peer: 'test',
};
/** A field 1 of 5 bytes of which only 2 are there. */
const TRUNCATED = Buffer.from([0x0a, 0x05, 0x61, 0x62]);

async function* answers(...messages: Bytes[]): AsyncIterable<Bytes> {
  yield* messages;
}

const routes = implement(health.HealthDefinition, {
  check: async () => ({ status: 1 }),
  watch: async function* () {
    yield { status: 1 };
  },
});

describe('implement', () => {
  test('answers a truncated message with INVALID_REQUEST', async () => {
    const unary = routes.get('/grpc.health.v1.Health/Check');
    const stream = routes.get('/grpc.health.v1.Health/Watch');
    if (unary?.kind !== 'unary' || stream?.kind !== 'stream') throw new Error('Check is unary, Watch streams');
    const refusal = { reason: Reason.INVALID_REQUEST, message: expect.stringContaining('4 bytes') as string };
    await expect(unary.handle(TRUNCATED, CALL)).rejects.toMatchObject(refusal);
    const watching = stream.handle(answers(TRUNCATED), CALL)[Symbol.asyncIterator]();
    await expect(watching.next()).rejects.toMatchObject(refusal);
    const nothing = stream.handle(answers(), CALL)[Symbol.asyncIterator]();
    await expect(nothing.next()).rejects.toMatchObject({ reason: Reason.INVALID_REQUEST });
  });

  test('refuses a service with a method missing', () => {
    const incomplete = { check: async () => ({ status: 1 }) } as unknown as Parameters<
      typeof implement<typeof health.HealthDefinition>
    >[1];
    expect(() => implement(health.HealthDefinition, incomplete)).toThrow('grpc.health.v1.Health/Watch');
  });

  test('mergeRoutes keeps all of them', () => {
    const extra = new Map([['/x.Y/Z', { kind: 'unary' as const, handle: async (bytes: Bytes) => bytes }]]);
    expect([...mergeRoutes(routes, extra).keys()]).toEqual([...routes.keys(), '/x.Y/Z']);
  });
});

describe('createClient', () => {
  const channel: Channel = {
    address: 'test',
    state: 'ready',
    onStateChange: () => () => {},
    connect: () => {},
    close: () => {},
    unary: async (_path: string, request: Bytes, _options?: CallOptions) => request,
    stream: (_path, requests) => requests,
  };

  test('calls an answer that is not of its type INTERNAL, not the wrong input of the caller', async () => {
    const client = createClient(health.HealthDefinition, {
      ...channel,
      unary: async () => TRUNCATED,
      stream: () => answers(TRUNCATED),
    });
    const failure = { reason: Reason.INTERNAL, message: expect.stringContaining('/grpc.health.v1.Health/') as string };
    await expect(client.check({ service: '' })).rejects.toMatchObject(failure);
    await expect(client.watch({ service: '' })[Symbol.asyncIterator]().next()).rejects.toMatchObject(failure);
  });
});
