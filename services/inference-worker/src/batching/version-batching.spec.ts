import { models } from '@bms/contracts';
import { BatchProfile } from './batch-profile';
import { VersionBatching, type BatchingFacts } from './version-batching';

const profile = new BatchProfile([
  { rows: 1, runMs: 2 },
  { rows: 8, runMs: 4 },
]);

function batching(more: Partial<BatchingFacts> = {}): VersionBatching {
  return new VersionBatching({ joins: true, profile, evenRows: true, config: undefined, ...more });
}

describe('VersionBatching', () => {
  it('expects what was measured, at the pace that was seen since', () => {
    const known = batching();
    expect(known.expectedMs(8)).toBe(4);
    for (let run = 0; run < 50; run++) known.observe(1, 6); // three times as long
    expect(known.expectedMs(8)).toBeCloseTo(12, 1);
  });

  it('expects what runs took where nothing was measured, and nothing before', () => {
    const unknown = new VersionBatching();
    expect([unknown.joins, unknown.expectedMs(1)]).toEqual([false, undefined]);
    unknown.observe(1, 10);
    unknown.observe(1, 20);
    expect(unknown.expectedMs(1)).toBe(12);
  });

  it('takes a run for too late that would not end in time', () => {
    const known = batching();
    expect([known.isTooLate(8, 4), known.isTooLate(8, 3), known.isTooLate(1, 3)]).toEqual([false, true, false]);
    expect(known.isTooLate(1, 0)).toBe(true);
  });

  it('takes nothing for too late but what is past where the length of rows differs, or nothing was measured', () => {
    for (const unknown of [batching({ evenRows: false }), new VersionBatching()]) {
      expect([unknown.isTooLate(8, 0.1), unknown.isTooLate(8, 0)]).toEqual([false, true]);
    }
  });

  it('does not conclude from the sizes that were measured that a larger run takes proportionally long', () => {
    expect(batching().isTooLate(800, 5)).toBe(false);
  });

  it('tries again after a while what it took for too late, so that a wrong pace locks nobody out', () => {
    const wrong = batching();
    let refused = 0;
    while (wrong.isTooLate(1, 1)) refused++; // 2 ms were measured
    expect(refused).toBeGreaterThan(100);
    expect(refused).toBeLessThan(1_000);
  });

  it('refuses nothing for runs that took far longer than the fastest', () => {
    const uneven = batching();
    for (let run = 0; run < 50; run++) uneven.observe(1, 200);
    expect([uneven.isTooLate(1, 4), uneven.isTooLate(1, 3.9)]).toEqual([false, true]);
  });

  it('knows the least that a queue takes: at the best pace, on all executors', () => {
    expect([batching().leastWaitMs(80, 1), batching().leastWaitMs(80, 2)]).toEqual([40, 20]);
    expect(batching({ evenRows: false }).leastWaitMs(80, 1)).toBe(0);
  });

  it('reads the config of its version', () => {
    const config = models.BatchingConfig.create({ maxRows: 4, preferredRows: [8], maxDelayMs: 3, maxQueueMs: 50 });
    const set = batching({ config });
    expect([set.plan.bestRows, set.fullRows, set.maxDelayMs, set.maxQueueMs]).toEqual([1, 1, 3, 50]);
    expect([batching().fullRows, batching().maxDelayMs, batching().maxQueueMs]).toEqual([8, 0, Infinity]);
  });

  it('joins no more once rows were seen to be mixed', () => {
    const mixed = batching();
    mixed.stopJoining();
    expect(mixed.joins).toBe(false);
  });
});
