import { CallerBlame } from './caller-blame';

describe('CallerBlame', () => {
  it('lets a caller run alone for a while after several blames, and nobody else', () => {
    const blame = new CallerBlame();
    for (const nowMs of [0, 100]) blame.blame('bad', nowMs);
    expect(blame.runsAlone('bad', 150)).toBe(false);
    blame.blame('bad', 200);
    expect([blame.runsAlone('bad', 200), blame.runsAlone('bad', 10_199), blame.runsAlone('bad', 10_200)]).toEqual([
      true,
      true,
      false,
    ]);
    expect(blame.runsAlone('good', 200)).toBe(false);
  });

  it('forgives what happens now and then', () => {
    const blame = new CallerBlame();
    for (let nowMs = 0; nowMs < 100_000; nowMs += 5_000) {
      blame.blame('sometimes', nowMs);
      expect(blame.runsAlone('sometimes', nowMs)).toBe(false);
    }
  });

  it('remembers no more than a thousand callers', () => {
    const blame = new CallerBlame();
    for (let times = 0; times < 3; times++) blame.blame('first', 0);
    for (let caller = 0; caller < 1_000; caller++) blame.blame(String(caller), 0);
    expect(blame.runsAlone('first', 0)).toBe(false);
  });
});
