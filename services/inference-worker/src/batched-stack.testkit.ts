import { BmsError, models, type Reason } from '@bms/contracts';
import type { Tensor } from '@bms/tensor';
import { BatchProfile } from './batching/batch-profile';
import { VersionBatching } from './batching/version-batching';
import { ManualClock } from './manual-clock.testkit';
import { PredictStack, type RunObserved } from './predict.stack';
import { DevicePermits } from './servables/device-permits';
import type { Executor } from './servables/executor';
import { ExecutorPool } from './servables/executor-pool';
import { FakeExecutor } from './servables/fake-executor.testkit';
import { PredictQueue } from './servables/predict-queue';
import type { PredictAnswer } from './servables/queued-prediction';
import { Servable } from './servables/servable';

/** 1 row takes 2 ms, 4 take 4 ms, and more are no quicker. */
const PROFILE = new BatchProfile([
  { rows: 1, runMs: 2 },
  { rows: 2, runMs: 3 },
  { rows: 4, runMs: 4 },
]);

/** One request of one input. */
export interface Ask {
  readonly values: readonly number[];
  readonly columns?: number;
  readonly outputs?: readonly string[];
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
  readonly caller?: string;
}

/** A stack on fake executors, with a version whose requests are joined. */
export function batchedStack({
  executors: count = 1,
  config = {},
  profile = PROFILE,
}: { executors?: number; config?: Partial<models.BatchingConfig>; profile?: BatchProfile } = {}) {
  const clock = new ManualClock(0);
  const queue = new PredictQueue({ requests: 1_000, bytes: 2 ** 30 }, count, clock);
  const runs: RunObserved[] = [];
  const stack = new PredictStack(queue, new DevicePermits(count), clock, (run) => runs.push(run));
  const executors = Array.from({ length: count }, () => new FakeExecutor());
  const [executor = new FakeExecutor()] = executors;
  const versionOf = (model: string, runner: Executor): Servable => {
    const batching = new VersionBatching({
      ...{ joins: true, evenRows: true, profile },
      config: models.BatchingConfig.create(config),
    });
    const ref = models.VersionRef.create({ tenant: 'default', model, version: 1n });
    return new Servable(ref, models.Signature.create({}), runner, { executors: count, batching });
  };
  const servable = versionOf('m', count === 1 ? executor : new ExecutorPool(executors));
  const otherExecutor = new FakeExecutor();
  const other = versionOf('other', otherExecutor);
  const askOf =
    (asked: Servable) =>
    ({ values, columns = 1, outputs = ['y'], deadlineMs, signal, caller = 'me' }: Ask): Promise<PredictAnswer> => {
      const answer = stack.predict({
        servable: asked,
        request: { inputs: [tensorOf(values, columns)], outputs },
        deadlineMs,
        signal: signal ?? new AbortController().signal,
        caller,
      });
      answer.catch(() => undefined);
      return answer;
    };
  return {
    clock,
    queue,
    executors,
    executor,
    otherExecutor,
    servable,
    ask: askOf(servable),
    askOther: askOf(other),
    runs,
  };
}

/** Values as rows of so many columns. */
export function tensorOf(values: readonly number[], columns = 1): Tensor {
  const shape = columns === 1 ? [values.length] : [values.length / columns, columns];
  return { name: 'x', datatype: 'UINT8', shape, data: Uint8Array.from(values) };
}

/** The values of an answer's first output. */
export function valuesOf({ outputs }: PredictAnswer): number[] {
  const [output] = outputs;
  return output !== undefined && 'data' in output ? [...output.data] : [];
}

/** The values of each run of a turn, padding included. */
export function running(executor: FakeExecutor): number[][] {
  return (executor.turns[0]?.requests ?? []).map(({ inputs }) => {
    const [input] = inputs;
    return input !== undefined && 'data' in input ? [...input.data] : [];
  });
}

/** Why the answer failed; undefined where it did not. */
export async function reasonOf(answer: Promise<unknown>): Promise<Reason | undefined> {
  const error: unknown = await answer.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return BmsError.is(error) ? error.reason : undefined;
}
