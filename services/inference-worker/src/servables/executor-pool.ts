import type { Executor, LoadedModel, RunBatch, RunOutcome } from './executor';

/**
 * Several executors of one model as one: each turn goes to one that has the fewest. It is lost when the first of them is,
 * since what is left of it would serve less than was promised; then it is loaded anew as a whole.
 */
export class ExecutorPool implements Executor {
  readonly lost: Promise<string>;
  readonly ended: Promise<void>;
  private readonly members: readonly { readonly executor: Executor; turns: number }[];

  /** @param executors that are loaded; at least one */
  constructor(executors: readonly Executor[]) {
    this.members = executors.map((executor) => ({ executor, turns: 0 }));
    this.lost = Promise.race(executors.map(({ lost }) => lost));
    this.ended = Promise.all(executors.map(({ ended }) => ended)).then(() => undefined);
  }

  async load(): Promise<LoadedModel> {
    throw new Error('the executors of a pool were loaded before');
  }

  async run(batches: readonly RunBatch[]): Promise<readonly RunOutcome[]> {
    const member = this.members.reduce((least, one) => (one.turns < least.turns ? one : least));
    member.turns++;
    try {
      return await member.executor.run(batches);
    } finally {
      member.turns--;
    }
  }

  async close(): Promise<boolean> {
    const closed = await Promise.all(this.members.map(({ executor }) => executor.close()));
    return closed.every(Boolean);
  }
}
