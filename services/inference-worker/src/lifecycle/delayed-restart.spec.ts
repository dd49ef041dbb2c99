import { ManualClock } from '../manual-clock.testkit';
import { DelayedRestart } from './delayed-restart';

function setUp(random: number) {
  const clock = new ManualClock();
  const reasons: string[] = [];
  const restart = new DelayedRestart({ clock, random: () => random, restart: (reason) => reasons.push(reason) });
  return { clock, reasons, restart };
}

describe('DelayedRestart', () => {
  it('waits a random part of 10 s, so that workers do not go together', async () => {
    const { clock, reasons, restart } = setUp(0.25);
    restart.request('a run does not return');
    await clock.advance(2_499);
    expect(reasons).toEqual([]);
    await clock.advance(1);
    expect(reasons).toEqual(['a run does not return']);
  });

  it('restarts once, for the first reason', async () => {
    const { clock, reasons, restart } = setUp(0.5);
    restart.request('first');
    await clock.advance(1_000);
    restart.request('second');
    await clock.advance(60_000);
    restart.request('third');
    await clock.advance(60_000);
    expect(reasons).toEqual(['first']);
  });

  it('does not restart a process that ends meanwhile', async () => {
    const { clock, reasons, restart } = setUp(0.5);
    restart.request('first');
    restart.cancel();
    await clock.advance(60_000);
    expect([reasons, clock.sleepers]).toEqual([[], 0]);
  });
});
