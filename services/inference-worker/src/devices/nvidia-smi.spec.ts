import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gpuSelector, parseGpuReading, readGpu } from './nvidia-smi';

const MIB = 2 ** 20;

describe('parseGpuReading', () => {
  it.each([
    ['NVIDIA H100 80GB HBM3, 81559, 81000, 7\n', ['NVIDIA H100 80GB HBM3', 81559, 81000, 7]],
    ['A card, with a comma, 100, 60, [N/A]', ['A card, with a comma', 100, 60, -1]],
    ['\n  T4, 100, 0, 100  \nanother, 1, 1, 1', ['T4', 100, 0, 100]],
  ])('reads %j', (text, [name, total, free, busyPercent]) => {
    expect(parseGpuReading(text)).toEqual({
      name,
      totalBytes: Number(total) * MIB,
      freeBytes: Number(free) * MIB,
      busyPercent,
    });
  });

  it.each(['', 'No devices were found', 'Orin, [N/A], [N/A], 5', 'x, 100, 200, 5', 'x, 0, 0, 5', 'x, -5, 1, 5'])(
    'finds no memory in %j',
    (text) => {
      expect(parseGpuReading(text)).toBeUndefined();
    },
  );
});

describe('gpuSelector', () => {
  it.each([
    [1, undefined, '1'],
    [0, '3,2', '3'],
    [1, 'GPU-aaaa, GPU-bbbb', 'GPU-bbbb'],
    [2, '0,1', '2'],
    [0, '', '0'],
  ])('cuda:%i with CUDA_VISIBLE_DEVICES %j is %s', (index, visible, selector) => {
    expect(gpuSelector(index, visible)).toBe(selector);
  });
});

describe('readGpu', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bms-smi-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const { signal } = new AbortController();

  /** A stand-in that answers as the real one. */
  function program(script: string): string {
    const file = join(folder, 'nvidia-smi');
    writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return file;
  }

  it('asks for the GPU and its memory', async () => {
    const smi = program('test "$4" = 3 && echo "$1" | grep -q memory.free && echo "A card, 1000, 400, 12"');
    await expect(readGpu('3', signal, smi)).resolves.toMatchObject({ name: 'A card', busyPercent: 12 });
  });

  it.each([
    ['fails', 'echo "A card, 1000, 400, 12"; exit 9'],
    ['is late', 'exec sleep 30'],
    ['says something else', 'echo "Unable to determine the device handle"'],
  ])('knows nothing where it %s', async (_, script) => {
    await expect(readGpu('0', signal, program(script), 300)).resolves.toBeUndefined();
  });

  it('knows nothing where it is not installed', async () => {
    await expect(readGpu('0', signal, join(folder, 'none'))).resolves.toBeUndefined();
  });
});
