import { BatchPlan } from './batch-plan';
import { BatchProfile } from './batch-profile';

/** A profile of `rows: milliseconds`. */
function profileOf(points: Readonly<Record<number, number>>): BatchProfile {
  return new BatchProfile(Object.entries(points).map(([rows, runMs]) => ({ rows: Number(rows), runMs })));
}

function planOf(
  points: Readonly<Record<number, number>>,
  { maxRows = 64, preferredRows = [] }: { maxRows?: number; preferredRows?: readonly number[] } = {},
): BatchPlan {
  return new BatchPlan(profileOf(points), { maxRows, preferredRows });
}

/** Two rows cost little more than one, up to 8; then each costs as much. */
const FLAT_FROM_8 = { 1: 1, 2: 1.1, 4: 1.3, 8: 2, 16: 4, 32: 8 };

describe('BatchProfile', () => {
  it('knows what was measured, and the line between', () => {
    const profile = profileOf({ 1: 1, 4: 4, 8: 6 });
    expect([1, 4, 6, 8].map((rows) => profile.runMs(rows))).toEqual([1, 4, 5, 6]);
  });

  it('goes on at the pace of the largest size, and takes the smallest for all that are smaller', () => {
    const profile = profileOf({ 4: 4, 8: 6 });
    expect([profile.runMs(16), profile.runMs(1)]).toEqual([12, 4]);
  });

  it('knows nothing where nothing was measured', () => {
    expect([profileOf({}).isEmpty, profileOf({}).mostRows, profileOf({}).runMs(1)]).toEqual([true, 0, NaN]);
  });
});

describe('BatchPlan', () => {
  it('takes the smallest of the sizes that are nearly as fast as the best', () => {
    expect(planOf(FLAT_FROM_8).bestRows).toBe(8);
    expect(planOf({ 1: 1, 8: 4, 16: 6, 32: 8 }).bestRows).toBe(32);
  });

  it('takes the best size where more wait than that, and all of them where they are fewer', () => {
    const plan = planOf({ 1: 1, 2: 1.1, 3: 1.2, 4: 1.3, 8: 2 });
    expect([1, 2, 3, 4, 8, 100].map((rows) => plan.rowsOf(rows))).toEqual([1, 2, 3, 4, 8, 8]);
  });

  it('steps over a dip', () => {
    const plan = planOf({ 1: 1, 2: 1.2, 3: 1.4, 4: 1.6, 5: 9, 6: 2 });
    expect(plan.rowsOf(5)).toBe(5); // with a row of padding, since 6 are quick
    expect(plan.paddingFor(5)).toBe(1);
    const deep = planOf({ 1: 1, 2: 1.2, 3: 1.4, 4: 1.6, 5: 9, 8: 2 });
    expect(deep.rowsOf(5)).not.toBe(5);
  });

  it('runs in two where that is quicker than the next size up', () => {
    const plan = planOf({ 1: 1, 4: 1.2, 8: 10, 16: 4 });
    expect(plan.rowsOf(8)).toBe(4);
  });

  it('pads up to a size that was measured where that adds little, and not where it adds much', () => {
    const plan = planOf({ 1: 1, 8: 2, 16: 3 });
    expect([8, 7, 9, 15, 17].map((rows) => plan.paddingFor(rows))).toEqual([0, 1, 0, 1, 0]);
  });

  it('stays within the most rows that are allowed', () => {
    const plan = planOf(FLAT_FROM_8, { maxRows: 4 });
    expect([plan.bestRows, plan.rowsOf(64), plan.paddingFor(5)]).toEqual([4, 4, 0]);
  });

  it('runs at the sizes that are preferred, and what fills none as it is', () => {
    const plan = planOf(FLAT_FROM_8, { preferredRows: [4, 16] });
    expect([plan.bestRows, plan.rowsOf(16), plan.rowsOf(9), plan.rowsOf(3)]).toEqual([16, 16, 4, 3]);
  });

  it('takes whatever waits where nothing was measured', () => {
    const plan = planOf({}, { maxRows: 5 });
    expect([1, 3, 5, 9].map((rows) => plan.rowsOf(rows))).toEqual([1, 3, 5, 5]);
    expect(plan.paddingFor(3)).toBe(0);
  });

  it('knows which sizes are worth while, and which is below', () => {
    const plan = planOf(FLAT_FROM_8);
    expect([plan.efficientRows, plan.smallerThan(8), plan.smallerThan(3), plan.smallerThan(1)]).toEqual([
      4,
      4,
      2,
      undefined,
    ]);
  });

  it.each([FLAT_FROM_8, { 1: 1 }, { 1: 3, 2: 1, 3: 9, 7: 2, 64: 5 }])(
    'is through with any number of rows, at most so many at a time: %j',
    (points) => {
      const plan = planOf(points);
      for (let waiting = 1; waiting <= 200; waiting++) {
        const rows = plan.rowsOf(waiting);
        expect(rows).toBeGreaterThanOrEqual(1);
        expect(rows).toBeLessThanOrEqual(Math.min(waiting, plan.bestRows));
        expect(plan.paddingFor(rows)).toBeLessThanOrEqual(rows / 4);
      }
    },
  );
});
