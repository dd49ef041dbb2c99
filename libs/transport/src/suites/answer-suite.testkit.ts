import { BmsError, health, Reason } from '@bms/contracts';
import { implement, Metadata, type ServerCall } from '../index';
import {
  bytes,
  ECHO,
  gate,
  loopback,
  messages,
  stream,
  text,
  textsOf,
  unary,
  type Loopback,
  type LoopbackParts,
} from './loopback.testkit';
import type { TransportKit } from './transport-kit.testkit';

/** What every server answers. */
export function answerSuite(kit: TransportKit): void {
  describe(`a server over ${kit.name}`, () => tests(kit));
}

function tests(kit: TransportKit): void {
  let current: Loopback | undefined;

  async function start(...args: LoopbackParts): Promise<Loopback> {
    current = await loopback(kit, ...args);
    return current;
  }

  afterEach(async () => {
    await current?.close();
    current = undefined;
  });

  describe('an answer', () => {
    test('is the bytes that the handler gave, also none at all', async () => {
      const { channel } = await start({ '/a.B/Echo': ECHO });
      expect(text(await channel.unary('/a.B/Echo', bytes('as it came')))).toBe('as it came');
      expect((await channel.unary('/a.B/Echo', bytes(''))).byteLength).toBe(0);
      const large = Buffer.alloc(3_000_000, 'large');
      expect(Buffer.compare(await channel.unary('/a.B/Echo', large), large)).toBe(0);
    });

    test('comes with what the handler knows about the call', async () => {
      const seen = gate<ServerCall>();
      const { channel } = await start({
        '/a.B/C': unary(async (request, call) => {
          seen.open(call);
          return request;
        }),
      });
      const metadata = Metadata.from({ 'bms-tenant': 'default', 'trace-bin': Uint8Array.of(0, 255, 7) });
      metadata.append('many', 'one').append('many', 'two');
      const deadlineMs = Date.now() + 60_000;
      await channel.unary('/a.B/C', bytes(''), { metadata, deadlineMs });

      const call = await seen.opened;
      expect(call.path).toBe('/a.B/C');
      expect(call.metadata.get('bms-tenant')).toBe('default');
      expect([...(call.metadata.getBytes('trace-bin') ?? [])]).toEqual([0, 255, 7]);
      expect(call.metadata.get('many')).toBe('one, two');
      expect(Math.abs((call.deadlineMs ?? 0) - deadlineMs)).toBeLessThan(1000);
      expect(call.peer).toMatch(/^127\.0\.0\.1:\d+$/);
      expect(call.signal.aborted).toBe(false);
    });

    test('has no deadline when the caller set none', async () => {
      const { channel } = await start({
        '/a.B/C': unary(async (_request, { deadlineMs }) => bytes(String(deadlineMs))),
      });
      expect(text(await channel.unary('/a.B/C', bytes('')))).toBe('undefined');
    });

    test.each([['with an answer'], ['with an error']])('%s brings the trailers', async (kind) => {
      const { channel } = await start({
        '/a.B/C': unary(async (request, { trailers }) => {
          trailers.set('bms-queue-depth', '3').set('proof-bin', Uint8Array.of(1, 2));
          if (kind === 'with an error') throw new BmsError(Reason.NOT_READY, 'soon');
          return request;
        }),
      });
      const received: Metadata[] = [];
      const call = channel.unary('/a.B/C', bytes(''), { onTrailers: (trailers) => received.push(trailers) });
      await (kind === 'with an error' ? expect(call).rejects.toMatchObject({ reason: Reason.NOT_READY }) : call);
      expect(received).toHaveLength(1);
      expect([...(received[0]?.entries() ?? [])].map(([name, value]) => [name, Buffer.from(value).toString()])).toEqual(
        [
          ['bms-queue-depth', '3'],
          ['proof-bin', '\u0001\u0002'],
        ],
      );
    });
  });

  describe('an error', () => {
    test('arrives with its reason, fields, facts and retry hint', async () => {
      const thrown = new BmsError(Reason.OVERLOADED, 'zu viel: 100 %, “später”', {
        violations: [{ field: 'inputs[0]', description: 'unknown' }],
        retryAfterMs: 1500,
        facts: { queue: '12' },
      });
      const { channel } = await start({
        '/a.B/Unary': unary(() => Promise.reject(thrown)),
        '/a.B/Stream': stream(async function* () {
          yield bytes('first');
          throw thrown;
        }),
      });
      const { reason, message, violations, retryAfterMs, facts } = thrown;
      const expected = { reason, message, violations, retryAfterMs, facts };
      await expect(channel.unary('/a.B/Unary', bytes(''))).rejects.toMatchObject(expected);

      const answers = channel.stream('/a.B/Stream', messages())[Symbol.asyncIterator]();
      expect(text((await answers.next()).value as Uint8Array)).toBe('first');
      await expect(answers.next()).rejects.toMatchObject(expected);
    });

    test('that is no BmsError is INTERNAL without its text, and told to the service', async () => {
      const told: [unknown, string][] = [];
      const bug = new TypeError('/secret/path');
      const { channel } = await start(
        {
          '/a.B/Bug': unary(() => {
            throw bug;
          }),
          '/a.B/Expected': unary(() => Promise.reject(new BmsError(Reason.MODEL_NOT_FOUND, 'no such model'))),
        },
        { onInternalError: (error, path) => told.push([error, path]) },
      );
      await expect(channel.unary('/a.B/Bug', bytes(''))).rejects.toMatchObject({
        reason: Reason.INTERNAL,
        message: 'an internal error',
      });
      await expect(channel.unary('/a.B/Expected', bytes(''))).rejects.toMatchObject({ reason: Reason.MODEL_NOT_FOUND });
      expect(told).toEqual([[bug, '/a.B/Bug']]);
    });

    test('is told when trailers cannot be sent', async () => {
      const told: string[] = [];
      const { channel } = await start(
        {
          '/a.B/C': unary(async (request, { trailers }) => {
            trailers.set('name', 'no header can hold ü');
            return request;
          }),
        },
        { onInternalError: (error) => told.push(String(error)) },
      );
      await expect(channel.unary('/a.B/C', bytes(''))).rejects.toMatchObject({ reason: Reason.INTERNAL });
      expect(told).toEqual([expect.stringContaining('metadata "name"')]);
    });

    test('of an unknown method says what there is', async () => {
      const { channel } = await start({ '/a.B/Echo': ECHO, '/a.B/Other': ECHO, '/c.D/Echo': ECHO });
      await expect(channel.unary('/a.B/Nope', bytes(''))).rejects.toMatchObject({
        reason: Reason.UNIMPLEMENTED,
        message: expect.stringContaining('Echo, Other') as string,
      });
      await expect(channel.unary('/x.Y/Z', bytes(''))).rejects.toMatchObject({
        reason: Reason.UNIMPLEMENTED,
        message: expect.stringContaining('a.B, c.D') as string,
      });
      await expect(textsOf(channel.stream('/x.Y/Z', messages('more')))).rejects.toMatchObject({
        reason: Reason.UNIMPLEMENTED,
      });
    });

    test('of a message over the limit names size, limit and setting, and disturbs nobody else', async () => {
      const release = gate();
      const { channel } = await start(
        {
          '/a.B/Echo': ECHO,
          '/a.B/Slow': unary(async (request) => {
            await release.opened;
            return request;
          }),
          '/a.B/Stream': stream((requests) => requests),
        },
        { messageBytes: 1000, messageLimitSetting: 'router.messageLimit' },
      );
      const other = channel.unary('/a.B/Slow', bytes('other'));
      const refusal = {
        reason: Reason.MESSAGE_TOO_LARGE,
        message: 'a message of 1001 bytes is over the limit of 1000 bytes; raise router.messageLimit to allow more',
        facts: { sizeBytes: '1001', limitBytes: '1000' },
      };
      await expect(channel.unary('/a.B/Echo', Buffer.alloc(1001))).rejects.toMatchObject(refusal);
      await expect(textsOf(channel.stream('/a.B/Stream', messages('x'.repeat(1001))))).rejects.toMatchObject(refusal);
      expect((await channel.unary('/a.B/Echo', Buffer.alloc(1000))).byteLength).toBe(1000);
      release.open();
      expect(text(await other)).toBe('other');
    });

    test('of a truncated message is INVALID_REQUEST', async () => {
      const { channel } = await start(
        implement(health.HealthDefinition, {
          check: async () => ({ status: 1 }),
          watch: async function* () {
            yield { status: 1 };
          },
        }),
      );
      await expect(
        channel.unary('/grpc.health.v1.Health/Check', Buffer.from([0x0a, 0x05, 0x61])),
      ).rejects.toMatchObject({
        reason: Reason.INVALID_REQUEST,
        violations: [{ field: 'message', description: expect.stringContaining('3 bytes') as string }],
      });
    });

    test('of a call that brings no request, or two, is INVALID_REQUEST', async () => {
      const { channel } = await start({ '/a.B/Echo': ECHO });
      await expect(textsOf(channel.stream('/a.B/Echo', messages()))).rejects.toMatchObject({
        reason: Reason.INVALID_REQUEST,
      });
      await expect(textsOf(channel.stream('/a.B/Echo', messages('one', 'two')))).rejects.toMatchObject({
        reason: Reason.INVALID_REQUEST,
      });
    });
  });
}
