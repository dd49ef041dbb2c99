import { randomBytes } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { deflateSync, gzipSync } from 'node:zlib';
import { Reason } from '@bms/contracts';
import { unfold, type UnfoldOptions } from './gzip';

const MIB = 1024 * 1024;

function options(limitBytes = MIB, signal = new AbortController().signal): UnfoldOptions {
  return { limitBytes, remedy: 'raise messageLimit to allow more', signal };
}

describe('unfold', () => {
  it.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
  ] as const)('gives what was compressed by %s, of any size up to the limit', async (encoding, compress) => {
    for (const size of [0, 1, 1_000, 200_000, MIB]) {
      const content = randomBytes(size);
      const unfolded = await unfold({ compressed: true, bytes: compress(content) }, encoding, options());
      expect(unfolded.equals(content)).toBe(true);
    }
  });

  it('gives a message that is not compressed as it is, whatever the encoding', async () => {
    const bytes = Buffer.from('as it is');
    for (const encoding of ['identity', 'gzip', 'snappy']) {
      expect(await unfold({ compressed: false, bytes }, encoding, options())).toBe(bytes);
    }
  });

  it('takes content that is compressed in many members, in any cut', async () => {
    const members = Array.from({ length: 20_000 }, (_, i) => (i % 4 === 0 ? gzipSync(`${i};`) : gzipSync('')));
    const unfolded = await unfold({ compressed: true, bytes: Buffer.concat(members) }, 'gzip', options());
    expect(unfolded.toString().split(';').length).toBe(5_001);
  });

  it('keeps no large buffer for a small message', async () => {
    const unfolded = await unfold({ compressed: true, bytes: gzipSync(Buffer.alloc(100)) }, 'gzip', options());
    expect(unfolded.buffer.byteLength).toBeLessThanOrEqual(Math.max(8 * 1024, Buffer.poolSize));
  });

  it.each([
    [100, 101],
    [MIB, MIB + 1],
    [MIB, 60_000_000],
  ])('refuses more than the limit of %d bytes (%d)', async (limitBytes, size) => {
    const bomb = gzipSync(Buffer.alloc(size));
    const before = process.memoryUsage().arrayBuffers;
    await expect(unfold({ compressed: true, bytes: bomb }, 'gzip', options(limitBytes))).rejects.toMatchObject({
      reason: Reason.MESSAGE_TOO_LARGE,
      message: `a message is over the limit of ${limitBytes} bytes; raise messageLimit to allow more`,
      facts: { limitBytes: String(limitBytes) },
    });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * MIB);
  });

  it('lets the event loop go on while it works', async () => {
    const bytes = gzipSync(Buffer.alloc(60_000_000));
    let over = false;
    const unfolded = unfold({ compressed: true, bytes }, 'gzip', options(64 * MIB)).finally(() => (over = true));
    let turns = 0;
    while (!over) {
      await turn();
      turns += 1;
    }
    expect((await unfolded).length).toBe(60_000_000);
    expect(turns).toBeGreaterThan(100);
  });

  it.each(['gzip', 'deflate'] as const)('refuses %s that is cut off anywhere', async (encoding) => {
    const content = Buffer.from('some content that is worth compressing, worth compressing, worth compressing');
    const whole = encoding === 'gzip' ? gzipSync(content) : deflateSync(content);
    for (let cut = 0; cut < whole.length; cut++) {
      await expect(
        unfold({ compressed: true, bytes: whole.subarray(0, cut) }, encoding, options()),
      ).rejects.toMatchObject({ reason: Reason.INTERNAL, message: `a message is no ${encoding}, or not all of it` });
    }
  });

  it('refuses gzip with any bit of its content or checksum turned, or gives the very content', async () => {
    const content = Buffer.from('to be kept whole');
    const whole = gzipSync(content);
    const outcomes = await Promise.allSettled(
      Array.from({ length: whole.length * 8 }, (_, bit) => {
        const bytes = Buffer.from(whole);
        bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        return unfold({ compressed: true, bytes }, 'gzip', options());
      }),
    );
    const wrong = outcomes.filter((outcome) => outcome.status === 'fulfilled' && !outcome.value.equals(content));
    expect(wrong).toEqual([]);
    expect(outcomes.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(100);
  });

  it.each([
    ['identity', Reason.INTERNAL, 'a message is marked as compressed, and grpc-encoding does not say how'],
    ['br', Reason.UNIMPLEMENTED, 'messages compressed by "br" are not taken; identity,deflate,gzip are'],
    ['GZIP', Reason.UNIMPLEMENTED, 'messages compressed by "GZIP" are not taken; identity,deflate,gzip are'],
  ])('refuses a compressed message under %s', async (encoding, reason, message) => {
    const bytes = gzipSync('content');
    await expect(unfold({ compressed: true, bytes }, encoding, options())).rejects.toMatchObject({ reason, message });
  });

  it('stops when it is aborted, and throws what for', async () => {
    const why = new Error('the caller is gone');
    const aborter = new AbortController();
    const bytes = gzipSync(Buffer.alloc(60_000_000));
    const unfolded = unfold({ compressed: true, bytes }, 'gzip', options(64 * MIB, aborter.signal));
    aborter.abort(why);
    await expect(unfolded).rejects.toBe(why);
    await expect(unfold({ compressed: true, bytes }, 'gzip', options(64 * MIB, aborter.signal))).rejects.toBe(why);
  });
});
