import { createHash } from 'node:crypto';
import { createReadStream, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryOf, watchPeak } from '../bench/process-usage';
import {
  expectedAnswer,
  LARGE_MODEL_BYTES,
  LARGE_MODEL_COLUMNS,
  LARGE_MODEL_ROWS,
  writeLargeModel,
} from './large-model';
import { runBms, TestMesh } from './test-mesh';

const MINUTES = 60_000;
/** The aim is 64 MiB, measured at 57 to 61; when garbage is collected beside other work is anybody's guess. */
const GROWTH_MAX_BYTES = 96 * 2 ** 20;

/** Needs 10 GB of disk and 5 GB of memory: runs by `npm run test:large`, not with the other tests. */
describe('a model of 3 GiB whose weights lie in a file of their own', () => {
  let mesh: TestMesh;
  let folder: string;
  let growthBytes: number;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'bms-large-'));
    await writeLargeModel(folder);
    // With the example in it: a registry that has pushed and given out before, and has loaded the code for that.
    mesh = await TestMesh.start({ flags: ['--workers', '1'] });
    const registry = mesh.pids()['registry'] as number;
    const before = memoryOf(registry).residentBytes;
    const peak = watchPeak(registry);
    try {
      for (const verb of [
        ['push', 'large', folder],
        ['publish', 'large@1'],
        ['activate', 'large@1', '--timeout', '10m'],
      ]) {
        const place = ['--data', mesh.data, '--port-base', String(mesh.portBase)];
        expect(await runBms([...verb, ...place], 10 * MINUTES)).toMatchObject({ code: 0 });
      }
    } finally {
      growthBytes = peak.stop() - before;
    }
  }, 25 * MINUTES);
  afterAll(async () => {
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true });
  }, MINUTES);

  it('goes through the registry without its growing by what passes through', () => {
    process.stdout.write(`the registry grew by ${Math.round(growthBytes / 2 ** 20)} MiB\n`);
    expect(growthBytes).toBeLessThanOrEqual(GROWTH_MAX_BYTES);
  });

  it(
    'answers rightly from each of its tables',
    async () => {
      const client = mesh.client();
      try {
        for (const row of [0, 1, 65_520, LARGE_MODEL_ROWS - 1]) {
          const inputs = { row: { datatype: 'INT64' as const, shape: [1], data: new BigInt64Array([BigInt(row)]) } };
          const { outputs } = await client.infer({ model: 'large', inputs });
          const sum = [...(outputs['sum']?.data as Float32Array)];
          expect(sum).toHaveLength(LARGE_MODEL_COLUMNS);
          expect(new Set(sum)).toEqual(new Set([expectedAnswer(row)]));
        }
      } finally {
        client.close();
      }
    },
    MINUTES,
  );

  it(
    'lies in the cache of the worker as it was pushed',
    async () => {
      const cache = join(mesh.data, 'cache');
      const files = readdirSync(cache, { recursive: true, encoding: 'utf8' }).map((name) => join(cache, name));
      const large = files.filter((path) => statSync(path).size === LARGE_MODEL_BYTES);
      expect(large.length).toBeGreaterThan(0);
      expect(await digestOf(large[0] as string)).toBe(await digestOf(join(folder, 'weights.data')));
    },
    2 * MINUTES,
  );
});

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
