import { WorkerLoad } from './worker-load';

describe('WorkerLoad', () => {
  it('counts the calls that are in flight', () => {
    const load = new WorkerLoad();
    load.begin();
    load.begin();
    load.end();
    expect(load.inFlight).toBe(1);
    expect(load.read(0)).toBe(1);
  });

  it("adds what others have in the worker's queue, and counts our own calls once", () => {
    const load = new WorkerLoad();
    for (let call = 0; call < 3; call++) load.begin();
    load.report(3, 0);
    expect(load.read(0)).toBe(3);
    load.report(8, 0);
    expect(load.read(0)).toBe(8);
    load.begin();
    expect(load.read(0)).toBe(9);
  });

  it('believes a report less the older it is, and not at all after a second', () => {
    const load = new WorkerLoad();
    load.report(10, 5_000);
    expect([5_000, 5_500, 6_000, 9_000].map((nowMs) => load.read(nowMs))).toEqual([10, 5, 0, 0]);
  });
});
