import net from 'node:net';
import { BmsError, health, Reason, reasonName } from '@bms/contracts';
import { implement, MessageQueue, Metadata, PortTakenError, type ServerCall } from '@bms/transport';
import { GrpcChannel } from './grpc-channel';
import { GrpcServer } from './grpc-server';
import { bytes, ECHO, gate, loopback, messages, stream, text, textsOf, unary, type Loopback } from './loopback.fixture';

let current: Loopback | undefined;

async function start(...args: Parameters<typeof loopback>): Promise<Loopback> {
  current = await loopback(...args);
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
    expect([...(received[0]?.entries() ?? [])].map(([name, value]) => [name, Buffer.from(value).toString()])).toEqual([
      ['bms-queue-depth', '3'],
      ['proof-bin', '\u0001\u0002'],
    ]);
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
    expect(told).toEqual([expect.stringContaining('illegal characters')]);
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
    await expect(channel.unary('/grpc.health.v1.Health/Check', Buffer.from([0x0a, 0x05, 0x61]))).rejects.toMatchObject({
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
    const second = new GrpcServer(new Map());
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
    await expect(new GrpcServer(new Map()).listen({ host, port })).rejects.toThrow(sentence);
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
    const late = new GrpcChannel(`127.0.0.1:${port}`);
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
