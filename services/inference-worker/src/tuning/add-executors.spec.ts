import { ManualClock } from '../manual-clock.testkit';
import { alone, type Executor, type RunBatch } from '../servables/executor';
import { FakeExecutor } from '../servables/fake-executor.testkit';
import { fixedExecutors, measuredExecutors, type AddExecutorsParts } from './add-executors';

const TURN: readonly RunBatch[] = [alone({ inputs: [], outputs: ['y'] })];
const TURN_MS = 10;

/** A device with so many cores: turns of as many executors run side by side, and more share them. */
class FakeDevice {
  readonly clock = new ManualClock(0);
  readonly made: FakeExecutor[] = [];
  private waiting = 0;

  constructor(private readonly cores: number) {}

  make(): Executor {
    const executor = new FakeExecutor();
    executor.run = async () => {
      this.waiting++;
      const share = Math.max(1, this.waiting / this.cores);
      await this.clock.wait(TURN_MS * share);
      this.waiting--;
      return [{ kind: 'answered', outputs: [], computeUs: 1 }];
    };
    this.made.push(executor);
    return executor;
  }

  get closed(): boolean[] {
    return this.made.map(({ closed }) => closed);
  }

  parts(more: Partial<AddExecutorsParts> = {}): AddExecutorsParts {
    const { signal } = new AbortController();
    return { another: async () => this.make(), fits: () => true, clock: this.clock, signal, ...more };
  }

  /** Lets time pass until the work is done. */
  async until<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const settledWork = work.finally(() => (done = true));
    settledWork.catch(() => undefined);
    while (!done) await this.clock.advance(1);
    return settledWork;
  }
}

describe('measuredExecutors', () => {
  it.each([
    [1, 4, 1],
    [2, 4, 2],
    [3, 4, 3],
    [8, 2, 2],
  ])('finds how many a device of %i cores can feed, of at most %i: %i', async (cores, most, found) => {
    const device = new FakeDevice(cores);
    const executors = await device.until(measuredExecutors(device.make(), most, TURN, device.parts()));
    expect(executors).toHaveLength(found);
    expect(device.closed.filter((closed) => !closed)).toHaveLength(found);
  });

  it('loads no more than memory is there for', async () => {
    const device = new FakeDevice(8);
    const parts = device.parts({ fits: () => device.made.length < 2 });
    await expect(device.until(measuredExecutors(device.make(), 8, TURN, parts))).resolves.toHaveLength(2);
  });

  it('does without one that cannot be loaded, unless the load was given up', async () => {
    const device = new FakeDevice(8);
    const another = async (): Promise<never> => Promise.reject(new Error('bad allocation'));
    await expect(measuredExecutors(device.make(), 4, TURN, device.parts({ another }))).resolves.toHaveLength(1);
    const signal = AbortSignal.abort();
    const givenUp = measuredExecutors(device.make(), 4, TURN, device.parts({ another, signal }));
    await expect(givenUp).rejects.toThrow('bad allocation');
  });

  it('measures nothing where only one may run', async () => {
    const device = new FakeDevice(8);
    await expect(measuredExecutors(device.make(), 1, TURN, device.parts())).resolves.toHaveLength(1);
    expect(device.clock.monotonic()).toBe(0);
  });
});

describe('fixedExecutors', () => {
  it('loads as many as are wished for, and fewer where memory ends', async () => {
    const device = new FakeDevice(1);
    await expect(fixedExecutors(device.make(), 3, device.parts())).resolves.toHaveLength(3);
    await expect(fixedExecutors(device.make(), 3, device.parts({ fits: () => false }))).resolves.toHaveLength(1);
  });
});
