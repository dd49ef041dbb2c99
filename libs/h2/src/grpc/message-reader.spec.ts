import { randomBytes } from 'node:crypto';
import { BmsError, Reason } from '@bms/contracts';
import type { Message } from './message';
import { messagePrefix } from './message-prefix';
import { MessageReader } from './message-reader';
import { seededRandom } from './seeded-random.fixture';

const SLAB_BYTES = 64 * 1024;
const MIB = 1024 * 1024;

/** Messages of these sizes, as on the wire; every second one is compressed. */
function wireOf(sizes: readonly number[]): { readonly wire: Buffer; readonly messages: readonly Message[] } {
  const messages = sizes.map((size, i) => ({ compressed: i % 2 === 1, bytes: randomBytes(size) }));
  const wire = Buffer.concat(
    messages.flatMap(({ compressed, bytes }) => [messagePrefix(bytes.length, compressed), bytes]),
  );
  return { wire, messages };
}

function readerOf(limitBytes = MIB): MessageReader {
  return new MessageReader(limitBytes, 'raise messageLimit to allow more');
}

function takeAll(reader: MessageReader): Message[] {
  const taken: Message[] = [];
  for (let message = reader.next(); message !== undefined; message = reader.next()) taken.push(message);
  return taken;
}

/** `bytes` as a read buffer of 64 KiB would hold them. */
function inSlab(bytes: Buffer): Buffer {
  const slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  bytes.copy(slab, 100);
  return slab.subarray(100, 100 + bytes.length);
}

/** Messages as texts, which are compared many times as fast. */
function texts(messages: readonly Message[]): string[] {
  return messages.map(({ compressed, bytes }) => `${compressed ? 'compressed' : 'plain'} ${bytes.toString('hex')}`);
}

function thrownBy(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

describe('a message reader', () => {
  const { wire, messages } = wireOf([0, 1, 7, 300, 0, 0, 20]);

  it('gives the same messages wherever the bytes are cut in two', () => {
    for (let cut = 0; cut <= wire.length; cut++) {
      const reader = readerOf();
      reader.push(wire.subarray(0, cut));
      const early = takeAll(reader);
      reader.push(wire.subarray(cut));
      expect(texts([...early, ...takeAll(reader)])).toEqual(texts(messages));
      expect(() => reader.end()).not.toThrow();
      expect(reader.bufferedBytes).toBe(0);
    }
  });

  it('gives the same messages wherever the bytes are cut in two, when nobody takes them before the end', () => {
    for (let cut = 0; cut <= wire.length; cut++) {
      const reader = readerOf();
      reader.push(wire.subarray(0, cut));
      reader.push(wire.subarray(cut));
      expect(reader.bufferedBytes).toBe(wire.length);
      expect(texts(takeAll(reader))).toEqual(texts(messages));
    }
  });

  it('gives the same messages when they come byte by byte', () => {
    const reader = readerOf();
    for (const byte of wire) reader.push(Buffer.from([byte]));
    expect(texts(takeAll(reader))).toEqual(texts(messages));
  });

  it('gives the same messages in any cut of many sizes, taken at any time', () => {
    const random = seededRandom(20_261_124);
    for (let round = 0; round < 300; round++) {
      const sizes = Array.from({ length: 1 + Math.floor(random() * 12) }, () => Math.floor(random() ** 6 * 200_000));
      const sent = wireOf(sizes);
      const reader = readerOf();
      const taken: Message[] = [];
      for (let at = 0; at < sent.wire.length; ) {
        const next = at + 1 + Math.floor(random() ** 4 * 40_000);
        reader.push(inSlab(sent.wire.subarray(at, next)));
        if (random() < 0.3) taken.push(...takeAll(reader));
        at = next;
      }
      reader.end();
      taken.push(...takeAll(reader));
      expect(texts(taken)).toEqual(texts(sent.messages));
    }
  });

  it('tells how much is missing of the message that is being read', () => {
    const reader = readerOf();
    expect(reader.expectedBytes).toBe(0);
    const prefix = messagePrefix(1000);
    reader.push(prefix.subarray(0, 2));
    expect(reader.expectedBytes).toBe(3);
    reader.push(prefix.subarray(2));
    expect(reader.expectedBytes).toBe(1000);
    reader.push(Buffer.alloc(400));
    expect(reader.expectedBytes).toBe(600);
    reader.push(Buffer.alloc(600));
    expect(reader.expectedBytes).toBe(0);
    expect(reader.bufferedBytes).toBe(1005);
  });

  it('tells whether anything has come behind the next message', () => {
    const reader = readerOf();
    const sent = wireOf([0, 3]).wire;
    expect(reader.hasMore).toBe(false);
    reader.push(sent.subarray(0, 4));
    expect(reader.hasMore).toBe(false);
    reader.push(sent.subarray(4, 5));
    expect(reader.hasMore).toBe(false);
    for (const byte of sent.subarray(5)) {
      reader.push(Buffer.from([byte]));
      expect(reader.hasMore).toBe(true);
    }
    reader.next();
    expect(reader.hasMore).toBe(false);
  });

  it.each([
    ['in its prefix', 3, 'the stream ended inside the prefix of a message: 2 bytes are missing'],
    ['behind its prefix', 5, 'the stream ended inside a message of 10 bytes: 10 bytes are missing'],
    ['in its content', 14, 'the stream ended inside a message of 10 bytes: 1 bytes are missing'],
  ])('refuses a stream that ends inside a message, %s', (_where, bytes, sentence) => {
    const reader = readerOf();
    reader.push(wireOf([10]).wire.subarray(0, bytes));
    const error = thrownBy(() => reader.end());
    expect(error).toMatchObject({ reason: Reason.INTERNAL, message: sentence });
  });

  it('takes a message of exactly the limit', () => {
    const reader = readerOf(100);
    reader.push(wireOf([100]).wire);
    expect(reader.next()?.bytes.length).toBe(100);
  });

  it('refuses a larger message at its prefix, wherever that is cut, and reads on no more', () => {
    const prefix = messagePrefix(2 ** 32 - 1);
    for (let cut = 0; cut < 5; cut++) {
      const reader = readerOf(64 * MIB);
      reader.push(prefix.subarray(0, cut));
      const error = thrownBy(() => reader.push(prefix.subarray(cut)));
      expect(error).toBeInstanceOf(BmsError);
      expect(error).toMatchObject({
        reason: Reason.MESSAGE_TOO_LARGE,
        message: 'a message of 4294967295 bytes is over the limit of 67108864 bytes; raise messageLimit to allow more',
        facts: { limitBytes: '67108864', sizeBytes: '4294967295' },
      });
      expect(thrownBy(() => reader.push(Buffer.alloc(1)))).toBe(error);
      expect(thrownBy(() => reader.end())).toBe(error);
      expect(reader.next()).toBeUndefined();
    }
  });

  it('still gives what came whole before a message that it refuses', () => {
    const reader = readerOf(100);
    const sent = wireOf([10, 20]);
    expect(() => reader.push(Buffer.concat([sent.wire, messagePrefix(101)]))).toThrow('over the limit');
    expect(takeAll(reader)).toEqual(sent.messages);
  });

  it('refuses every prefix that begins with another byte than 0 and 1', () => {
    for (let flag = 2; flag < 256; flag++) {
      for (const bytes of [Buffer.from([flag]), Buffer.from([flag, 0, 0, 0, 0])]) {
        expect(thrownBy(() => readerOf().push(bytes))).toMatchObject({
          reason: Reason.INTERNAL,
          message: `a message begins with ${flag}; 0 (as it is) and 1 (compressed) are known`,
        });
      }
    }
  });
});

describe('the memory of messages', () => {
  it('is that of the chunk where a message in one chunk is at least a quarter of it', () => {
    const reader = readerOf();
    const chunk = inSlab(wireOf([SLAB_BYTES / 4]).wire);
    reader.push(chunk);
    expect(reader.next()?.bytes.buffer).toBe(chunk.buffer);
  });

  it('is its own where it is less, so that no small message keeps a read buffer', () => {
    const reader = readerOf();
    const chunk = inSlab(wireOf([SLAB_BYTES / 4 - 1, 2000, 1]).wire);
    reader.push(chunk);
    const mostBytes = Math.max(SLAB_BYTES / 4, Buffer.poolSize);
    for (const { bytes } of takeAll(reader)) expect(bytes.buffer.byteLength).toBeLessThanOrEqual(mostBytes);
  });

  it('is exactly its size for a message of several chunks', () => {
    for (const size of [6, 3_000, 70_000, 600_000]) {
      const reader = readerOf();
      const { wire } = wireOf([size]);
      const step = Math.min(16_384, Math.ceil(wire.length / 3));
      for (let at = 0; at < wire.length; at += step) reader.push(inSlab(wire.subarray(at, at + step)));
      expect(reader.next()?.bytes.buffer.byteLength).toBe(size);
    }
  });

  it('is not allocated because a prefix promises much', () => {
    const before = process.memoryUsage().arrayBuffers;
    const readers = Array.from({ length: 200 }, () => {
      const reader = readerOf(64 * MIB);
      reader.push(messagePrefix(64 * MIB));
      reader.push(Buffer.from('0123456789'));
      return reader;
    });
    expect(readers.map((reader) => reader.expectedBytes)).toEqual(readers.map(() => 64 * MIB - 10));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 * MIB);
  });

  it('stays within a few times what has come, for 100,000 empty messages and for a large one byte by byte', () => {
    const empty = Buffer.alloc(500_000);
    const before = memoryBytes();
    const reader = readerOf();
    reader.push(empty);
    const other = readerOf();
    other.push(messagePrefix(MIB));
    for (let i = 0; i < 400_000; i++) other.push(Buffer.from([i]));
    expect(memoryBytes() - before).toBeLessThan(8 * MIB);
    expect(takeAll(reader).length).toBe(100_000);
    expect(other.expectedBytes).toBe(MIB - 400_000);
  });
});

function memoryBytes(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
