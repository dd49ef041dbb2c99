import net from 'node:net';
import { BmsError, Reason, reasonName } from '@bms/contracts';
import { MessageQueue, PortTakenError } from '../index';
import {
  bytes,
  ECHO,
  gate,
  loopback,
  stream,
  text,
  unary,
  type Loopback,
  type LoopbackParts,
} from './loopback.testkit';
import type { TransportKit } from './transport-kit.testkit';

/** How every server ends calls, and how it ends itself. */
export function serverLifeSuite(kit: TransportKit): void {
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

  describe('the signal of a call', () => {
    test.each([
      ['the caller cancels', Reason.CANCELLED],
      ['the deadline passes', Reason.DEADLINE_EXCEEDED],
      ['the connection breaks', Reason.CANCELLED],
    ])('is aborted when %s', async (cause, reason) => {
      const entered = gate();
      const aborted = gate<unknown>();
      const told: unknown[] = [];
      const { channel } = await start(
        {
          '/a.B/Wait': unary(async (request, { signal }) => {
            entered.open();
            await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
            aborted.open(signal.reason);
            signal.throwIfAborted();
            return request;
          }),
        },
        { onInternalError: (error) => told.push(error) },
      );
      const caller = new AbortController();
      const call = channel.unary('/a.B/Wait', bytes(''), {
        signal: caller.signal,
        ...(cause === 'the deadline passes' ? { deadlineMs: Date.now() + 100 } : {}),
      });
      const failed = expect(call).rejects.toBeInstanceOf(BmsError);
      await entered.opened;
      if (cause === 'the caller cancels') caller.abort();
      if (cause === 'the connection breaks') channel.close();
      expect(await aborted.opened).toMatchObject({ reason });
      await failed;
      expect(told).toEqual([]);
    });

    test('stays as it is when a call ends well', async () => {
      const signals: AbortSignal[] = [];
      const { channel } = await start({
        '/a.B/C': unary(async (request, { signal }) => {
          signals.push(signal);
          return request;
        }),
      });
      await channel.unary('/a.B/C', bytes(''));
      await channel.unary('/a.B/C', bytes(''));
      expect(signals.map(({ aborted }) => aborted)).toEqual([false, false]);
    });

    test('ends a handler that waits for a request', async () => {
      const outcome = gate<unknown>();
      const { channel, server } = await start({
        '/a.B/Read': stream(async function* (requests) {
          try {
            yield* requests;
          } catch (error) {
            outcome.open(error);
            throw error;
          }
        }),
      });
      const requests = new MessageQueue<Uint8Array>();
      requests.push(bytes('one'));
      const answers = channel.stream('/a.B/Read', requests)[Symbol.asyncIterator]();
      expect(text((await answers.next()).value as Uint8Array)).toBe('one');
      const lost = expect(answers.next()).rejects.toMatchObject({ reason: Reason.WORKER_LOST });
      await server.close();
      await lost;
      expect(await outcome.opened).toMatchObject({ reason: Reason.CANCELLED });
    });
  });

  describe('listen', () => {
    test('on a taken port throws an error that names it', async () => {
      const { port } = await start({ '/a.B/Echo': ECHO });
      const second = kit.server(new Map());
      const failure = second.listen({ host: '127.0.0.1', port });
      await expect(failure).rejects.toBeInstanceOf(PortTakenError);
      await expect(failure).rejects.toMatchObject({ code: 'EADDRINUSE', port, host: '127.0.0.1' });
      await expect(failure).rejects.toThrow(`port ${port} on 127.0.0.1 is taken`);
      await second.close();
    });

    test.each([
      ['an address of another machine', '192.0.2.1', 0, 'not an address of this machine'],
      ['a port that is none', '127.0.0.1', 70_000, '0 to 65535'],
    ])('on %s throws a clear sentence', async (_, host, port, sentence) => {
      await expect(kit.server(new Map()).listen({ host, port })).rejects.toThrow(sentence);
    });
  });

  describe('drain', () => {
    test('finishes what is in flight, refuses what comes, and lets the client see the end', async () => {
      const entered = gate();
      const release = gate();
      const { server, channel, port } = await start({
        '/a.B/Slow': unary(async (request) => {
          entered.open();
          await release.opened;
          return request;
        }),
      });
      const inFlight = channel.unary('/a.B/Slow', bytes('finished'));
      await entered.opened;
      const goodbye = new Promise<string>((resolve) => channel.onStateChange(resolve));
      const drained = server.drain(new AbortController().signal);
      expect(await goodbye).toBe('failed');
      const late = kit.channel(`127.0.0.1:${port}`);
      await expect(late.unary('/a.B/Slow', bytes(''))).rejects.toMatchObject({ reason: Reason.CONNECTION_FAILED });
      late.close();

      release.open();
      expect(text(await inFlight)).toBe('finished');
      await drained;
    });

    test('never loses a call in a way that is not safe to repeat', async () => {
      const { server, channel } = await start({ '/a.B/Echo': ECHO });
      await channel.unary('/a.B/Echo', bytes(''));
      const outcomes: string[] = [];
      const callers = Array.from({ length: 20 }, async () => {
        let outcome = 'answered';
        while (outcome === 'answered') {
          outcome = await channel.unary('/a.B/Echo', bytes('x')).then(
            () => 'answered',
            (error: BmsError) => reasonName(error.reason),
          );
          outcomes.push(outcome);
        }
      });
      while (outcomes.length < 100) await channel.unary('/a.B/Echo', bytes('y'));
      await server.drain(new AbortController().signal);
      await Promise.all(callers);
      expect(new Set(outcomes)).toEqual(new Set(['answered', 'CONNECTION_FAILED']));
    });

    test('gives up waiting when it is told to; close then breaks what is left', async () => {
      const entered = gate();
      const { server, channel } = await start({
        '/a.B/Hang': unary(async (request, { signal }) => {
          entered.open();
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
          return request;
        }),
      });
      const call = channel.unary('/a.B/Hang', bytes(''));
      const lost = expect(call).rejects.toMatchObject({ reason: Reason.WORKER_LOST });
      await entered.opened;
      const enough = new AbortController();
      const drained = server.drain(enough.signal);
      enough.abort();
      await drained;
      await server.close();
      await lost;
    });
  });

  test('more calls than a connection may have at once wait for their turn', async () => {
    let now = 0;
    let most = 0;
    const { channel } = await start(
      {
        '/a.B/Count': unary(async (request) => {
          most = Math.max(most, (now += 1));
          await new Promise(setImmediate);
          now -= 1;
          return request;
        }),
      },
      { concurrentStreams: 3 },
    );
    await Promise.all(Array.from({ length: 30 }, () => channel.unary('/a.B/Count', bytes(''))));
    expect(most).toBe(3);
  });

  test('garbage on a connection disturbs nobody else', async () => {
    const { channel, port } = await start({ '/a.B/Echo': ECHO });
    await channel.unary('/a.B/Echo', bytes(''));
    const socket = net.connect(port, '127.0.0.1');
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => {});
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    socket.resume();
    await closed;
    expect(text(await channel.unary('/a.B/Echo', bytes('still here')))).toBe('still here');
  });
}
