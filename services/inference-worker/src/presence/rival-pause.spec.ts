import { RivalPause } from './rival-pause';

describe('RivalPause', () => {
  it('begins at 1 s and doubles up to 30 s, as long as the place is taken again and again', () => {
    const rival = new RivalPause();
    let nowMs = 0;
    const pauses = Array.from({ length: 7 }, () => {
      const pauseMs = rival.takenAt(nowMs);
      nowMs += pauseMs + 30_000;
      return pauseMs;
    });
    expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect(rival.takenAt(nowMs + 60_000)).toBe(1_000);
  });
});
