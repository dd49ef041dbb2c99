import { createHash } from 'node:crypto';
import { Reason } from '@bms/contracts';
import { GrpcChannel } from '@bms/grpc';
import { ManualClock } from '../manual-clock.testkit';
import { FakeRegistry } from '../presence/fake-registry.testkit';
import { BlobDownloader } from './blob-downloader';

const registries: FakeRegistry[] = [];
afterEach(async () => {
  await Promise.all(registries.splice(0).map((registry) => registry.stop()));
});

async function setUp(count = 1) {
  const fakes = Array.from({ length: count }, () => new FakeRegistry());
  registries.push(...fakes);
  const addresses = await Promise.all(fakes.map((fake) => fake.start()));
  const clock = new ManualClock();
  const downloader = new BlobDownloader({
    addresses,
    dial: (address) => new GrpcChannel(address),
    token: 'secret',
    clock,
  });
  /** Reads to the end, moving the clock on whenever the downloader rests. */
  const read = async (sha256: string, offsetBytes = 0): Promise<Uint8Array> => {
    let reading = true;
    const all = (async () => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of downloader.download(sha256, offsetBytes, new AbortController().signal))
        chunks.push(chunk);
      return Buffer.concat(chunks);
    })();
    all.then(
      () => (reading = false),
      () => (reading = false),
    );
    while (reading) await clock.advance(100);
    return all;
  };
  return { fakes, read };
}

const bytes = new Uint8Array(1_000).map((_, at) => at % 251);

describe('BlobDownloader', () => {
  it('reads a blob, also from the middle on', async () => {
    const { fakes, read } = await setUp();
    const sha256 = fakes[0]?.addBlob(bytes) ?? '';
    expect(new Uint8Array(await read(sha256))).toEqual(bytes);
    expect(new Uint8Array(await read(sha256, 900))).toEqual(bytes.subarray(900));
  });

  it('goes on, with the next registry, where the stream broke off', async () => {
    const { fakes, read } = await setUp(2);
    const [one, other] = fakes as [FakeRegistry, FakeRegistry];
    const sha256 = one.addBlob(bytes);
    other.addBlob(bytes);
    one.breakDownloadAfter = 400;
    other.breakDownloadAfter = 100;
    const whole = await read(sha256);
    expect(createHash('sha256').update(whole).digest('hex')).toBe(sha256);
    expect([one, other].map(({ downloads }) => downloads.map(({ offsetBytes }) => offsetBytes))).toEqual([
      [0n, 500n],
      [400n],
    ]);
  });

  it('gives up after a few attempts that bring nothing', async () => {
    const { fakes, read } = await setUp();
    await expect(read('0'.repeat(64))).rejects.toMatchObject({ reason: Reason.BLOB_NOT_FOUND });
    expect(fakes[0]?.downloads).toHaveLength(5);
  });
});
