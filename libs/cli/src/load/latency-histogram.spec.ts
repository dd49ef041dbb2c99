import { LatencyHistogram } from './latency-histogram';

describe('LatencyHistogram', () => {
  it('gives percentiles that are at most 2% too high', () => {
    const histogram = new LatencyHistogram();
    for (let ms = 1; ms <= 1_000; ms++) histogram.record(ms);
    for (const share of [0.01, 0.5, 0.9, 0.99, 1]) {
      const exact = share * 1_000;
      expect(histogram.percentileMs(share)).toBeGreaterThanOrEqual(exact);
      expect(histogram.percentileMs(share)).toBeLessThanOrEqual(exact * 1.02);
    }
    expect([histogram.count, histogram.maxMs]).toEqual([1_000, 1_000]);
  });

  it('is no number when nothing was recorded', () => {
    const histogram = new LatencyHistogram();
    expect([histogram.percentileMs(0.99), histogram.maxMs, histogram.count]).toEqual([NaN, NaN, 0]);
  });

  it('takes what lies beyond its range', () => {
    const histogram = new LatencyHistogram();
    for (const ms of [0, 0.001, 3_600_000]) histogram.record(ms);
    expect(histogram.percentileMs(0.5)).toBeLessThanOrEqual(0.01);
    expect(histogram.maxMs).toBe(3_600_000);
  });

  it('says the one latency that there is', () => {
    const histogram = new LatencyHistogram();
    histogram.record(3.14);
    expect([histogram.percentileMs(0.5), histogram.percentileMs(0.99)]).toEqual([3.14, 3.14]);
  });
});
