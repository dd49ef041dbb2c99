import { BENCHMARKS } from '../benchmarks';
import { FIGURES } from '../figures';
import { runBenchmark } from '../run-benchmark';

const PIECES = BENCHMARKS.filter(({ name }) => name.startsWith('transport/'));
/** Of all pieces, by what each tells of it. */
const told = new Set<string>();

describe('the benchmark of the data plane', () => {
  it.each(PIECES.map((piece) => [piece.name, piece] as const))(
    '%s runs to its end when it is as small as makes sense, and measures something',
    async (_name, piece) => {
      const { tables, figures } = await runBenchmark(piece, {
        ...{ store: 'embedded', knobs: {}, tiny: true, say: () => undefined },
      });
      const cells = tables.flatMap(({ rows }) => rows.flatMap(([, ...measured]) => measured));
      expect(cells.length).toBeGreaterThan(0);
      expect(cells.filter((cell) => /NaN|undefined/.test(String(cell)))).toEqual([]);
      for (const { what } of figures) told.add(what);
    },
    60_000,
  );

  it('tells of every figure, measured or not', () => {
    expect([...told].sort()).toEqual(
      Object.values(FIGURES)
        .map(({ what }) => what)
        .sort(),
    );
  });
});
