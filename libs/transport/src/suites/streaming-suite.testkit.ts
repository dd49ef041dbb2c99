import { BmsError, Reason } from '@bms/contracts';
import type { Bytes } from '../index';
import {
  bytes,
  ECHO,
  gate,
  loopback,
  messages,
  stream,
  text,
  textsOf,
  type Loopback,
  type LoopbackParts,
} from './loopback.testkit';
import type {} from '../index';
import type { TransportKit } from './transport-kit.testkit';

/** What streams do on every transport. */
export function streamingSuite(kit: TransportKit): void {
  describe(`a stream over ${kit.name}`, () => streamingTests(kit));
}

function streamingTests(kit: TransportKit): void {
  const MIB = 1024 * 1024;
  /** What may be under way unread: the 4 MiB window, twice over for what the kernel and Node hold. */
  const UNDER_WAY_MIB = 10;

  let current: Loopback | undefined;

  async function start(...args: LoopbackParts): Promise<Loopback> {
    current = await loopback(kit, ...args);
    return current;
  }

  afterEach(async () => {
    await current?.close();
    current = undefined;
  });

  /** Round trips on the same connection: time enough for a writer that nothing holds back to run away. */
  async function roundTrips({ channel }: Loopback): Promise<void> {
    for (let i = 0; i < 100; i += 1) await channel.unary('/a.B/Echo', bytes('ping'));
  }

  describe('the three kinds of streams', () => {
    test('many requests, many answers, each as it comes', async () => {
      const { channel } = await start({
        '/a.B/Upper': stream(async function* (requests) {
          for await (const request of requests) yield bytes(text(request).toUpperCase());
        }),
      });
      const first = gate();
      async function* requests(): AsyncIterable<Bytes> {
        yield bytes('one');
        await first.opened; // only sent once the first answer is there
        yield bytes('two');
      }
      const answers: string[] = [];
      for await (const answer of channel.stream('/a.B/Upper', requests())) {
        answers.push(text(answer));
        first.open();
      }
      expect(answers).toEqual(['ONE', 'TWO']);
    });

    test('many requests, one answer', async () => {
      const { channel } = await start({
        '/a.B/Join': stream(async function* (requests) {
          yield bytes((await textsOf(requests)).join('+'));
        }),
      });
      const many = Array.from({ length: 1000 }, (_, i) => String(i));
      expect(await textsOf(channel.stream('/a.B/Join', messages(...many)))).toEqual([many.join('+')]);
      expect(await textsOf(channel.stream('/a.B/Join', messages()))).toEqual(['']);
    });

    test('one request, many answers', async () => {
      const { channel } = await start({
        '/a.B/Count': stream(async function* (requests) {
          for await (const request of requests)
            for (let i = 0; i < Number(text(request)); i += 1) yield bytes(String(i));
        }),
      });
      expect(await textsOf(channel.stream('/a.B/Count', messages('1000')))).toHaveLength(1000);
      expect(await textsOf(channel.stream('/a.B/Count', messages('0')))).toEqual([]);
    });

    test('an answer before the requests have ended ends the call well, and the requests', async () => {
      const ended = gate();
      const { channel } = await start({
        '/a.B/First': stream(async function* (requests) {
          for await (const request of requests) {
            yield request;
            return;
          }
        }),
      });
      async function* endless(): AsyncIterable<Bytes> {
        try {
          for (;;) yield bytes('again');
        } finally {
          ended.open();
        }
      }
      expect(await textsOf(channel.stream('/a.B/First', endless()))).toEqual(['again']);
      await ended.opened;
    });
  });

  describe('back-pressure', () => {
    test('a slow caller bounds what a fast handler gives', async () => {
      let given = 0;
      const mesh = await start({
        '/a.B/Echo': ECHO,
        '/a.B/Flood': stream(async function* () {
          for (; given < 100; given += 1) yield Buffer.alloc(MIB);
        }),
      });
      let received = 0;
      for await (const answer of mesh.channel.stream('/a.B/Flood', messages())) {
        received += answer.byteLength;
        if (received !== MIB) continue;
        await roundTrips(mesh);
        expect(given).toBeLessThan(UNDER_WAY_MIB);
      }
      expect(received).toBe(100 * MIB);
    });

    test('a slow handler bounds what a fast caller sends', async () => {
      let sent = 0;
      const first = gate();
      const goOn = gate();
      const mesh = await start({
        '/a.B/Echo': ECHO,
        '/a.B/Sink': stream(async function* (requests) {
          let received = 0;
          for await (const request of requests) {
            received += request.byteLength;
            first.open();
            await goOn.opened;
          }
          yield bytes(String(received));
        }),
      });
      async function* flood(): AsyncIterable<Bytes> {
        for (; sent < 100; sent += 1) yield Buffer.alloc(MIB);
      }
      const answers = textsOf(mesh.channel.stream('/a.B/Sink', flood()));
      await first.opened;
      await roundTrips(mesh);
      expect(sent).toBeLessThan(UNDER_WAY_MIB);
      goOn.open();
      expect(await answers).toEqual([String(100 * MIB)]);
    });
  });

  describe('a stream ends', () => {
    test('with CANCELLED when its signal is aborted, on both sides', async () => {
      const left = gate();
      const { channel } = await start({
        '/a.B/Forever': stream(async function* (_requests, { signal }) {
          try {
            yield bytes('first');
            await new Promise((_, reject) => {
              signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
            });
          } finally {
            left.open();
          }
        }),
      });
      const caller = new AbortController();
      const answers = channel.stream('/a.B/Forever', messages(), { signal: caller.signal })[Symbol.asyncIterator]();
      await answers.next();
      const waiting = answers.next();
      caller.abort();
      await expect(waiting).rejects.toMatchObject({ reason: Reason.CANCELLED });
      await left.opened;
    });

    test('when the reader leaves the loop, on the server, too', async () => {
      const left = gate();
      const { channel } = await start({
        '/a.B/Forever': stream(async function* () {
          try {
            for (;;) yield bytes('more');
          } finally {
            left.open();
          }
        }),
      });
      let count = 0;
      for await (const answer of channel.stream('/a.B/Forever', messages())) {
        expect(text(answer)).toBe('more');
        if ((count += 1) === 3) break;
      }
      await left.opened;
    });

    test('with DEADLINE_EXCEEDED when its deadline passes', async () => {
      const { channel } = await start({
        '/a.B/Quiet': stream(async function* (requests) {
          yield* requests;
        }),
      });
      async function* quiet(): AsyncIterable<Bytes> {
        await new Promise(() => {});
        yield bytes('never');
      }
      await expect(
        textsOf(channel.stream('/a.B/Quiet', quiet(), { deadlineMs: Date.now() + 50 })),
      ).rejects.toMatchObject({ reason: Reason.DEADLINE_EXCEEDED });
    });

    test('with what its requests threw', async () => {
      const entered = gate();
      const left = gate();
      const { channel } = await start({
        '/a.B/Read': stream(async function* (requests) {
          entered.open();
          try {
            yield* requests;
          } finally {
            left.open();
          }
        }),
      });
      const broken = new BmsError(Reason.DIGEST_MISMATCH, 'the file changed while it was read');
      async function* failing(): AsyncIterable<Bytes> {
        yield bytes('one');
        await entered.opened;
        throw broken;
      }
      await expect(textsOf(channel.stream('/a.B/Read', failing()))).rejects.toBe(broken);
      await left.opened;
    });
  });
}
