import { Ewma } from './ewma';

describe('Ewma', () => {
  it('knows nothing before the first sample and takes that as it is', () => {
    const ewma = new Ewma();
    expect(ewma.read(5)).toBeUndefined();
    ewma.observe(40, 5);
    expect(ewma.read(5)).toBe(40);
  });

  it.each([10, 1_000])('follows a change within two seconds, at %i samples a second', (perSecond) => {
    const ewma = new Ewma();
    const everyMs = 1_000 / perSecond;
    for (let nowMs = 0; nowMs < 2_000; nowMs += everyMs) ewma.observe(10, nowMs);
    for (let nowMs = 2_000; nowMs < 4_000; nowMs += everyMs) ewma.observe(100, nowMs);
    expect(ewma.read(4_000)).toBeGreaterThan(85);
    expect(ewma.read(4_000)).toBeLessThan(95);
  });

  it('barely moves for one outlier among many samples', () => {
    const ewma = new Ewma();
    for (let nowMs = 0; nowMs < 1_000; nowMs += 10) ewma.observe(10, nowMs);
    ewma.observe(1_000, 1_000);
    expect(ewma.read(1_000)).toBeLessThan(22);
  });

  it('sinks while nothing is observed, so that who was slow is tried again', () => {
    const ewma = new Ewma();
    ewma.observe(100, 0);
    expect(ewma.read(5_000)).toBeCloseTo(100 / Math.E);
    expect(ewma.read(30_000)).toBeLessThan(1);
  });

  it('is raised by a lower bound and never lowered or made by it', () => {
    const ewma = new Ewma();
    ewma.observeAtLeast(1, 0);
    expect(ewma.read(0)).toBeUndefined();
    ewma.observe(100, 0);
    ewma.observeAtLeast(50, 500);
    expect(ewma.read(0)).toBe(100);
    ewma.observeAtLeast(1_000, 500);
    expect(ewma.read(500)).toBeGreaterThan(400);
  });

  it('does not go wrong when the clock stands still or goes back', () => {
    const ewma = new Ewma();
    ewma.observe(100, 1_000);
    ewma.observe(200, 900);
    expect(ewma.read(500)).toBe(100);
  });
});
