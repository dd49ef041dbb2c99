import { ExecutorPool } from './executor-pool';
import { alone } from './executor';
import { FakeExecutor } from './fake-executor.testkit';

const TURN = [alone({ inputs: [], outputs: ['y'] })];

describe('ExecutorPool', () => {
  it('gives each turn to an executor that has the fewest', async () => {
    const [one, two] = [new FakeExecutor(), new FakeExecutor()];
    const pool = new ExecutorPool([one, two]);
    const runs = [pool.run(TURN), pool.run(TURN), pool.run(TURN)];
    expect([one.turns.length, two.turns.length]).toEqual([2, 1]);
    two.finishTurn();
    await runs[1];
    void pool.run(TURN);
    expect([one.turns.length, two.turns.length]).toEqual([2, 1]);
  });

  it('has not closed where one of them has not', async () => {
    const [one, two] = [new FakeExecutor(), new FakeExecutor()];
    two.closes = false;
    await expect(new ExecutorPool([one, two]).close()).resolves.toBe(false);
    expect(one.closed).toBe(true);
  });

  it('has ended once all of them have', async () => {
    const [one, two] = [new FakeExecutor(), new FakeExecutor()];
    const pool = new ExecutorPool([one, two]);
    let ended = false;
    void pool.ended.then(() => (ended = true));
    one.end();
    await one.ended;
    expect(ended).toBe(false);
    two.end();
    await pool.ended;
    expect(ended).toBe(true);
  });
});
