import { assertNever, BmsError, Reason } from '@bms/contracts';
import type { Clock } from './clock';
import type { DevicePermits } from './servables/device-permits';
import { ExecutorLostError, type RunOutcome } from './servables/executor';
import type { PredictQueue } from './servables/predict-queue';
import type { PredictAnswer, PredictCall, QueuedPrediction } from './servables/queued-prediction';
import { RunWatch } from './servables/run-watch';
import { replicaGone, type Servable } from './servables/servable';

/**
 * The way of a prediction through the worker, from top to bottom:
 * 1. `predict`: into the queue, earliest deadline first; refused when it is full
 * 2. `dispatch`: out of it once the device has a permit; what is too late or given up leaves without running
 * 3. `run`: the turn goes to the version's executor, away from this thread
 * 4. `answer`: each request gets its own outcome
 */
export class PredictStack {
  private dispatching = false;
  private readonly runs: RunWatch;

  constructor(
    private readonly queue: PredictQueue,
    private readonly permits: DevicePermits,
    private readonly clock: Clock,
  ) {
    this.runs = new RunWatch(clock);
  }

  /** Requests that wait or run. */
  get depth(): number {
    return this.queue.depth;
  }

  /**
   * Throws OVERLOADED, REPLICA_GONE, DEADLINE_EXCEEDED, CANCELLED, INVALID_TENSOR (the runtime cannot take a value),
   * MESSAGE_TOO_LARGE (of the answer), MODEL_FAILED, and WORKER_LOST when the version's executor broke while the request was on it.
   */
  async predict(call: PredictCall): Promise<PredictAnswer> {
    const entry = this.queue.enter(call);
    this.dispatchSoon();
    return entry.answer;
  }

  /** Nothing runs here any more: what waits is answered with `error`; what runs ends by itself. */
  refuseAll(error: BmsError): void {
    this.queue.refuseAll(error);
  }

  /** Once per turn of the event loop, so that requests that arrived together can run together. */
  private dispatchSoon(): void {
    if (this.dispatching) return;
    this.dispatching = true;
    setImmediate(() => {
      this.dispatching = false;
      this.dispatch();
    });
  }

  private dispatch(): void {
    for (let release = this.permits.tryTake(); release !== undefined; release = this.permits.tryTake()) {
      const turn = this.queue.takeTurn();
      if (turn?.[0] === undefined) {
        release();
        return;
      }
      void this.run(turn[0].call.servable, turn, release);
    }
  }

  private async run(servable: Servable, turn: readonly QueuedPrediction[], release: () => void): Promise<void> {
    const startedMs = this.clock.monotonic();
    const ended = this.watchOver(servable, turn, release);
    servable.busy = true;
    try {
      const outcomes = await servable.executor.run(turn.map(({ call }) => call.request));
      let laterMs = 0; // how long the runs before it in the turn took
      turn.forEach((entry, at) => {
        const outcome = outcomes[at];
        if (outcome === undefined)
          throw new Error(`the executor answered ${outcomes.length} of ${turn.length} requests`);
        answer(entry, outcome, startedMs + laterMs);
        if ('computeUs' in outcome) laterMs += outcome.computeUs / 1000;
      });
    } catch (error) {
      this.fail(servable, turn, error);
    } finally {
      ended();
      turn.forEach((entry) => this.queue.finish(entry));
      servable.busy = false;
      release();
      this.dispatch();
    }
  }

  /** Keeps a run that takes long, or for ever, from stopping the others. Watches until the answer is called. */
  private watchOver(servable: Servable, turn: readonly QueuedPrediction[], release: () => void): () => void {
    return this.runs.watch({
      onLong: () => {
        release(); // the run goes on; short ones of other versions need not wait for it
        this.dispatch();
      },
      isWaitedFor: () => turn.some((entry) => entry.wanted && entry.dueMs > this.clock.now()),
      onStuck: () => {
        servable.declareStuck();
        this.fail(servable, turn, new ExecutorLostError('a run does not return', true));
        turn.forEach((entry) => this.queue.finish(entry));
      },
    });
  }

  private fail(servable: Servable, turn: readonly QueuedPrediction[], error: unknown): void {
    if (!(error instanceof ExecutorLostError)) {
      for (const entry of turn) entry.reject(BmsError.from(error));
      return;
    }
    const gone = replicaGone(servable.id, `is not on this worker any more: ${error.message}`);
    const why = `${servable.id} broke on this worker while the request was on it: ${error.message}`;
    const broke = new BmsError(Reason.WORKER_LOST, why, { facts: { version: servable.id } });
    for (const entry of turn) entry.reject(error.began ? broke : gone);
    this.queue.refuse(servable, gone);
  }
}

/** Gives a request its outcome. A caller that gave up meanwhile does not get it. */
function answer(entry: QueuedPrediction, outcome: RunOutcome, startedMs: number): void {
  const { servable } = entry.call;
  switch (outcome.kind) {
    case 'answered': {
      const { outputs, computeUs } = outcome;
      servable.observeRun(computeUs / 1000);
      entry.resolve({ outputs, computeUs, queueUs: Math.round((startedMs - entry.arrivedMs) * 1000) });
      return;
    }
    case 'refused':
      entry.reject(BmsError.invalidTensor(`inputs[${outcome.field}]`, outcome.message));
      return;
    case 'oversized':
      servable.observeRun(outcome.computeUs / 1000);
      entry.reject(
        new BmsError(Reason.MESSAGE_TOO_LARGE, `${servable.id}: ${outcome.message}`, {
          facts: { version: servable.id },
        }),
      );
      return;
    case 'failed':
      servable.observeRun(outcome.computeUs / 1000);
      entry.reject(
        new BmsError(Reason.MODEL_FAILED, `${servable.id} failed: ${outcome.message}`, {
          facts: { version: servable.id },
        }),
      );
      return;
    default:
      assertNever(outcome);
  }
}
