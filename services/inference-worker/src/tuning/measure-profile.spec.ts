import type { Tensor } from '@bms/tensor';
import { ManualClock } from '../manual-clock.testkit';
import type { RunOutcome, RunRequest } from '../servables/executor';
import { FakeExecutor } from '../servables/fake-executor.testkit';
import { measureProfile } from './measure-profile';

const { signal } = new AbortController();

function unit(sizeBytes = 1): RunRequest {
  const input: Tensor = { name: 'x', datatype: 'UINT8', shape: [1, sizeBytes], data: new Uint8Array(sizeBytes) };
  return { inputs: [input], outputs: ['y'] };
}

/** An executor on which a run takes as long as `runMs` says, by the clock, too. */
function executorWith(runMs: (rows: number) => number, clock = new ManualClock()) {
  const executor = new FakeExecutor();
  const sizes: number[] = [];
  executor.answer = ({ inputs }): RunOutcome => {
    const rows = inputs[0]?.shape[0] ?? 0;
    sizes.push(rows);
    void clock.advance(runMs(rows));
    return { kind: 'answered', outputs: inputs, computeUs: runMs(rows) * 1_000 };
  };
  return { executor, clock, sizes };
}

async function measured(
  runMs: (rows: number) => number,
  more: { maxRows?: number; preferredRows?: number[]; bytes?: number } = {},
) {
  const { executor, clock, sizes } = executorWith(runMs);
  const { maxRows = 64, preferredRows = [], bytes = 1 } = more;
  const startedMs = clock.monotonic();
  const profile = await measureProfile(executor, unit(bytes), { maxRows, preferredRows }, clock, signal);
  return {
    sizes,
    points: profile.points,
    rows: profile.points.map(({ rows }) => rows),
    tookMs: clock.monotonic() - startedMs,
  };
}

describe('measureProfile', () => {
  it('measures each size up to 8, and those between powers of two', async () => {
    const { rows, points } = await measured((size) => 0.1 + 0.01 * size, { maxRows: 32 });
    expect(rows).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32]);
    expect(points.at(-1)?.runMs).toBeCloseTo(0.42);
  });

  it('goes no further once two doublings won nothing', async () => {
    const { rows } = await measured((size) => size * 0.1);
    expect(rows.at(-1)).toBe(4);
  });

  it('finds a dip, and does not take it for the end', async () => {
    const { points } = await measured((size) => (size === 16 ? 3 : 0.1 + 0.01 * size));
    const paces = new Map(points.map(({ rows, runMs }) => [rows, rows / runMs]));
    expect(paces.get(16)).toBeLessThan(paces.get(8) ?? 0);
    expect(paces.get(64)).toBeGreaterThan(paces.get(8) ?? Infinity);
  });

  it('counts the fastest of several runs', async () => {
    let run = 0;
    const { points } = await measured(() => (run++ % 3 === 0 ? 0.1 : 0.9), { maxRows: 1 });
    expect(points).toEqual([{ rows: 1, runMs: 0.1 }]);
  });

  it('ends in about a second although runs are slow', async () => {
    const { tookMs, rows } = await measured((size) => 90 + size * 0.01);
    expect(tookMs).toBeLessThan(1_200);
    expect(rows.length).toBeGreaterThan(3);
  });

  it('measures one row of what takes longer, and nothing that would hold others up', async () => {
    const { sizes } = await measured((size) => 80 * size);
    expect(Math.max(...sizes)).toBe(2);
    expect((await measured(() => 5_000)).rows).toEqual([1]);
  });

  it('makes no batch whose inputs are larger than a turn may be', async () => {
    expect((await measured(() => 1, { bytes: 5 * 2 ** 20 })).rows.at(-1)).toBe(3);
    expect((await measured(() => 1, { bytes: 50 * 2 ** 20 })).rows).toEqual([1]);
  }, 30_000);

  it('measures the sizes that are preferred', async () => {
    const { rows } = await measured((size) => size * 0.1, { preferredRows: [48, 100] });
    expect(rows).toContain(48);
    expect(rows).not.toContain(100);
  });

  it('takes what the model refuses for the end', async () => {
    const executor = new FakeExecutor();
    executor.answer = ({ inputs }) =>
      (inputs[0]?.shape[0] ?? 0) > 4
        ? { kind: 'failed', message: 'at most 4', computeUs: 1 }
        : { kind: 'answered', outputs: inputs, computeUs: 100 };
    const profile = await measureProfile(
      executor,
      unit(),
      { maxRows: 64, preferredRows: [] },
      new ManualClock(),
      signal,
    );
    expect(profile.mostRows).toBe(4);
  });

  it('counts the rows of what comes in several at a time', async () => {
    const { executor, clock } = executorWith((size) => size);
    const four: RunRequest = {
      inputs: [{ name: 'x', datatype: 'UINT8', shape: [4], data: new Uint8Array(4) }],
      outputs: ['y'],
    };
    const profile = await measureProfile(executor, four, { maxRows: 1, preferredRows: [] }, clock, signal);
    expect(profile.points).toEqual([{ rows: 4, runMs: 4 }]);
  });
});
