import { Reason } from '@bms/contracts';
import { dueAtMs, runLoad, type LoadClock, type LoadPlan, type LoadResult, type SecondReport } from './load-run';
import type { LoadOutcome } from './load-tally';

/** Time that stands still until it is moved; sleepers wake in the order of their times. */
class ManualClock implements LoadClock {
  private current = 0;
  private readonly sleepers = new Set<{ readonly atMs: number; readonly wake: () => void }>();

  nowMs(): number {
    return this.current;
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { promise, resolve } = deferred();
    const sleeper = { atMs: this.current + ms, wake: resolve };
    this.sleepers.add(sleeper);
    signal.addEventListener('abort', resolve);
    await promise;
    signal.removeEventListener('abort', resolve);
    this.sleepers.delete(sleeper);
  }

  async moveTo(ms: number): Promise<void> {
    await settled();
    for (;;) {
      const next = [...this.sleepers].filter(({ atMs }) => atMs <= ms).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.current = next.atMs;
      this.sleepers.delete(next);
      next.wake();
      await settled();
    }
    this.current = ms;
  }
}

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}

/** All that can go on without time passing has gone on. */
const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

const RIGHT: LoadOutcome = { kind: 'right', by: { worker: 'w', version: 1, attempts: 1 } };

class LoadUnderTest {
  readonly clock = new ManualClock();
  readonly reports: { second: number; sent: number; right: number; total: number; underWay: number }[] = [];
  /** When each request was sent. */
  readonly sentAtMs: number[] = [];
  readonly abort = new AbortController();
  readonly result: Promise<LoadResult>;
  private readonly waiting: ((outcome: LoadOutcome) => void)[] = [];

  /** @param answerMs after which a request is answered; Infinity: by `answer` alone */
  constructor(plan: Partial<LoadPlan>, answerMs: number) {
    this.result = runLoad({
      plan: { ratePerSecond: 10, requests: 10, concurrencyLimit: 1_000, ...plan },
      clock: this.clock,
      send: async () => {
        this.sentAtMs.push(this.clock.nowMs());
        if (answerMs === Infinity) return new Promise<LoadOutcome>((resolve) => this.waiting.push(resolve));
        await this.clock.sleep(answerMs, new AbortController().signal);
        return RIGHT;
      },
      onSecond: ({ second, window, total, underWay }: SecondReport) => {
        this.reports.push({ second, sent: window.sent, right: window.right, total: total.sent, underWay });
      },
      signal: this.abort.signal,
    });
  }

  answer(outcome: LoadOutcome = RIGHT): void {
    this.waiting.shift()?.(outcome);
  }
}

describe('runLoad', () => {
  it('sends on time although nothing is answered', async () => {
    const load = new LoadUnderTest({}, Infinity);
    await load.clock.moveTo(550);
    expect(load.sentAtMs).toEqual([0, 100, 200, 300, 400, 500]);
    await load.clock.moveTo(5_000);
    expect(load.sentAtMs).toHaveLength(10);
  });

  it('ends when all are answered', async () => {
    const load = new LoadUnderTest({}, 30);
    await load.clock.moveTo(2_000);
    const { total, tookMs, abandoned } = await load.result;
    expect([total.sent, total.right, tookMs, abandoned]).toEqual([10, 10, 930, 0]);
    expect(total.latencies.maxMs).toBeCloseTo(30);
  });

  it('takes latency from when a request was due, not from when it was sent', async () => {
    const load = new LoadUnderTest({ requests: 3, concurrencyLimit: 1 }, 300);
    await load.clock.moveTo(2_000);
    const { total } = await load.result;
    expect(load.sentAtMs).toEqual([0, 300, 600]);
    // Due at 0, 100 and 200; answered at 300, 600 and 900.
    expect(total.latencies.percentileMs(0)).toBeLessThan(310);
    expect(total.latencies.maxMs).toBe(700);
    expect(total.lateness.maxMs).toBe(400);
  });

  it('reports each second by itself, and what is left at the end', async () => {
    const load = new LoadUnderTest({ requests: 25 }, 50);
    await load.clock.moveTo(4_000);
    await load.result;
    expect(load.reports).toEqual([
      { second: 1, sent: 10, right: 10, total: 10, underWay: 0 },
      { second: 2, sent: 10, right: 10, total: 20, underWay: 0 },
      { second: 3, sent: 5, right: 5, total: 25, underWay: 0 },
    ]);
  });

  it('counts failures, wrong answers and who answered', async () => {
    const load = new LoadUnderTest({ requests: 4 }, Infinity);
    await load.clock.moveTo(400);
    load.answer({ kind: 'failed', reason: Reason.WORKER_LOST, message: 'gone' });
    load.answer({ kind: 'failed', reason: Reason.WORKER_LOST, message: 'gone, too' });
    load.answer({ kind: 'wrong', by: { worker: 'a', version: 2, attempts: 1 }, difference: 'y[0] is 1, not 2' });
    load.answer({ kind: 'right', by: { worker: 'b', version: 1, attempts: 2 } });
    const { total } = await load.result;
    expect([total.sent, total.right, total.wrong, total.failed, total.triedAgain]).toEqual([4, 1, 1, 2, 1]);
    expect([...total.failures]).toEqual([['WORKER_LOST', { count: 2, example: 'gone' }]]);
    expect(total.firstDifference).toBe('y[0] is 1, not 2 (version 2, worker a)');
    expect([...total.workers]).toEqual([
      ['a', 1],
      ['b', 1],
    ]);
    expect(total.latencies.count).toBe(2);
  });

  it('sends nothing more after an abort, and waits for the answers that are due within a second', async () => {
    const load = new LoadUnderTest({}, Infinity);
    await load.clock.moveTo(250);
    load.abort.abort();
    await load.clock.moveTo(700);
    load.answer();
    load.answer();
    await load.clock.moveTo(1_260);
    const { total, abandoned } = await load.result;
    expect([total.sent, total.right, abandoned]).toEqual([3, 2, 1]);
  });

  it('ends at once after an abort when nothing is under way', async () => {
    const load = new LoadUnderTest({}, 10);
    await load.clock.moveTo(150);
    load.abort.abort();
    const { total, abandoned } = await load.result;
    expect([total.sent, total.right, abandoned]).toEqual([2, 2, 0]);
  });
});

describe('dueAtMs', () => {
  it('does not drift', () => {
    expect(dueAtMs(3_000, 300)).toBe(10_000);
    expect(dueAtMs(1, 3)).toBeCloseTo(333.333, 3);
  });
});
