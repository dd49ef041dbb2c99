import { BENCHMARKS } from './benchmarks';
import { runBenchmark } from './run-benchmark';

describe('benchmarks', () => {
  it('run to their end when they are as small as makes sense, and measure something', async () => {
    const [manyModels] = BENCHMARKS.filter(({ name }) => name === 'many-models');
    if (manyModels === undefined) throw new Error('many-models is not in the list');
    const { tables, figures } = await runBenchmark(manyModels, {
      ...{ store: 'embedded', knobs: {}, tiny: true, say: () => undefined },
    });
    const measured = tables.flatMap(({ rows }) => rows.flatMap(([, ...cells]) => cells));
    expect(measured.length).toBeGreaterThan(0);
    expect(measured.every((cell) => Number.isFinite(cell))).toBe(true);
    expect(figures.find(({ what }) => what.startsWith('bytes to one router'))).toMatchObject({ met: true });
  }, 180_000);

  it('have names of their own', () => {
    const names = BENCHMARKS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });
});
