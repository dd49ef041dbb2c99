import { setTimeout as wait } from 'node:timers/promises';
import { models } from '@bms/contracts';
import { systemClock as clock } from '../../../services/inference-worker/src/clock';
import { PredictStack } from '../../../services/inference-worker/src/predict.stack';
import { DevicePermits } from '../../../services/inference-worker/src/servables/device-permits';
import type { Executor } from '../../../services/inference-worker/src/servables/executor';
import { ExecutorPool } from '../../../services/inference-worker/src/servables/executor-pool';
import { PredictQueue } from '../../../services/inference-worker/src/servables/predict-queue';
import { Servable } from '../../../services/inference-worker/src/servables/servable';
import { tuneVersion } from '../../../services/inference-worker/src/tuning/tune-version';
import { percentile } from '../percentiles';
import { loadExecutor, rowsOf, type BenchModel } from './bench-model';

/** What callers and the executors saw. */
export interface Load {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Rows of a run, on average. */
  readonly meanRows: number;
  /** Time in `run()` by its rows: the median of all runs, so that what else the machine does counts for little. */
  readonly executorUsPerRow: number;
  /** Of the time of all executors, spent in `run()`. */
  readonly busyShare: number;
}

const LIMITS = { requests: 100_000, bytes: 2 ** 30 };

/** A worker's way of predictions, from its queue to its executors, with a version that was tuned as a worker tunes it. */
export class LoadedStack {
  private runs = 0;
  private rows = 0;
  private busyMs = 0;
  private usPerRow: number[] = [];
  private readonly stack: PredictStack;

  private constructor(
    readonly servable: Servable,
    private readonly executors: readonly Executor[],
  ) {
    const count = executors.length;
    this.stack = new PredictStack(
      new PredictQueue(LIMITS, count, clock),
      new DevicePermits(count),
      clock,
      ({ rows, runMs }) => {
        this.runs += 1;
        this.rows += rows;
        this.busyMs += runMs;
        this.usPerRow.push((runMs * 1_000) / rows);
      },
    );
  }

  static async of(model: BenchModel, { executors: count = 1, mode = '' }): Promise<LoadedStack> {
    const executors = await Promise.all(Array.from({ length: count }, () => loadExecutor(model)));
    const [first] = executors;
    if (first === undefined) throw new Error('at least one executor is needed');
    const examples = [{ inputs: [rowsOf(1)], outputs: ['y'] }];
    const config = models.VersionConfig.create({ batching: models.BatchingConfig.create({ mode }) });
    const signal = AbortSignal.timeout(60_000);
    const { batching } = await tuneVersion(first, { signature: model.signature, config, examples, clock, signal });
    const ref = models.VersionRef.create({ tenant: 'default', model: 'perceptron', version: 1n });
    const servable = new Servable(ref, model.signature, new ExecutorPool(executors), { executors: count, batching });
    return new LoadedStack(servable, executors);
  }

  /** So many callers, each with one request of one row at a time. */
  async closedLoop(callers: number, forMs: number): Promise<Load> {
    return this.measured(forMs, async (latenciesMs, endMs) => {
      const call = async (): Promise<void> => {
        const { signal } = new AbortController();
        while (performance.now() < endMs) latenciesMs.push(await this.predict(performance.now(), signal));
      };
      await Promise.all(Array.from({ length: callers }, call));
    });
  }

  /** Requests of one row at a rate that does not depend on their answers; latencies count from when each was due. */
  async openLoop(perSecond: number, forMs: number): Promise<Load> {
    return this.measured(forMs, async (latenciesMs, endMs) => {
      const open = new Set<Promise<void>>();
      let dueMs = performance.now();
      while (dueMs < endMs) {
        for (; dueMs <= performance.now(); dueMs += 1_000 / perSecond) {
          const call = this.predict(dueMs, new AbortController().signal).then((ms) => void latenciesMs.push(ms));
          open.add(call);
          void call.finally(() => open.delete(call));
        }
        await wait(1); // spinning would take the core that the executor's thread, or the machine, needs
      }
      await Promise.all(open);
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.executors.map((executor) => executor.close()));
  }

  private async predict(sinceMs: number, signal: AbortSignal): Promise<number> {
    const request = { inputs: [ROW], outputs: ['y'] };
    await this.stack.predict({
      ...{
        servable: this.servable,
        request,
        deadlineMs: undefined,
        signal,
        caller: 'bench',
      },
    });
    return performance.now() - sinceMs;
  }

  private async measured(forMs: number, drive: (latenciesMs: number[], endMs: number) => Promise<void>): Promise<Load> {
    [this.runs, this.rows, this.busyMs, this.usPerRow] = [0, 0, 0, []];
    const latenciesMs: number[] = [];
    const startedMs = performance.now();
    await drive(latenciesMs, startedMs + forMs);
    const wallMs = performance.now() - startedMs;
    return {
      perSecond: (latenciesMs.length / wallMs) * 1_000,
      p50Ms: percentile(latenciesMs, 0.5),
      p99Ms: percentile(latenciesMs, 0.99),
      meanRows: this.rows / this.runs,
      executorUsPerRow: percentile(this.usPerRow, 0.5),
      busyShare: this.busyMs / (wallMs * this.executors.length),
    };
  }
}

const ROW = rowsOf(1);
