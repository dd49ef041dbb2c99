import { BatchPlan } from './batch-plan';
import { BatchProfile } from './batch-profile';
import { nextBatch, type BatchPolicy, type BatchSnapshot } from './next-batch';

const profile = new BatchProfile(
  [1, 2, 3, 4, 5, 6, 7, 8].map((rows) => ({ rows, runMs: 1 + rows / 4 })), // 8 rows: 3 ms, 1 row: 1.25 ms
);

function step(snapshot: Partial<BatchSnapshot>, policy: Partial<BatchPolicy> = {}) {
  const plan = new BatchPlan(profile, { maxRows: 8, preferredRows: [] });
  return nextBatch(
    { rows: 1, headRows: 1, oldestWaitedMs: 0, slackMs: Infinity, idleExecutors: 1, ...snapshot },
    { plan, maxDelayMs: 0, fullRows: plan.bestRows, expectedMs: (rows) => profile.runMs(rows), ...policy },
  );
}

describe('nextBatch', () => {
  it.each([1, 3, 7])('lets an idle executor never wait: %i rows run', (rows) => {
    expect(step({ rows })).toEqual({ kind: 'run', rows });
  });

  it('takes the best size of more', () => {
    expect(step({ rows: 500 })).toEqual({ kind: 'run', rows: 8 });
  });

  it('shares what waits out among idle executors', () => {
    expect(step({ rows: 8, idleExecutors: 2 })).toEqual({ kind: 'run', rows: 4 });
    expect(step({ rows: 3, idleExecutors: 4 })).toEqual({ kind: 'run', rows: 1 });
    expect(step({ rows: 500, idleExecutors: 2 })).toEqual({ kind: 'run', rows: 8 });
  });

  it('runs a request that is larger than any batch', () => {
    expect(step({ rows: 40, headRows: 30 })).toEqual({ kind: 'run', rows: 30 });
  });

  describe('with an early deadline', () => {
    it('takes fewer, so that the first is in time', () => {
      expect(step({ rows: 8, slackMs: 2 })).toEqual({ kind: 'run', rows: 4 });
      expect(step({ rows: 8, slackMs: 1.3 })).toEqual({ kind: 'run', rows: 1 });
      expect(step({ rows: 8, headRows: 3, slackMs: 0.1 })).toEqual({ kind: 'run', rows: 3 });
    });

    it('does not slow all others down where more wait than one run takes', () => {
      const { efficientRows } = new BatchPlan(profile, { maxRows: 8, preferredRows: [] });
      expect(step({ rows: 100, slackMs: 0.1 })).toEqual({ kind: 'run', rows: efficientRows });
      expect(efficientRows).toBeGreaterThan(1);
    });

    it('takes all that it would where nobody knows how long runs take', () => {
      expect(step({ rows: 8, slackMs: 0.1 }, { expectedMs: () => undefined })).toEqual({ kind: 'run', rows: 8 });
    });
  });

  describe('with a delay', () => {
    const policy = { maxDelayMs: 10, fullRows: 4 };

    it('waits for others, at most so long', () => {
      expect(step({ rows: 3 }, policy)).toEqual({ kind: 'wait', forMs: 10 });
      expect(step({ rows: 3, oldestWaitedMs: 7 }, policy)).toEqual({ kind: 'wait', forMs: 3 });
      expect(step({ rows: 3, oldestWaitedMs: 10 }, policy)).toEqual({ kind: 'run', rows: 3 });
    });

    it('waits no more once there are enough', () => {
      expect(step({ rows: 4 }, policy)).toEqual({ kind: 'run', rows: 4 });
    });

    it('never waits so long that a deadline could not be met', () => {
      expect(step({ rows: 3, slackMs: 5 }, policy)).toEqual({ kind: 'wait', forMs: 3 }); // 2 ms remain for 4 rows
      expect(step({ rows: 3, slackMs: 2 }, policy)).toEqual({ kind: 'run', rows: 3 });
    });
  });
});
