import { BmsError, Reason } from '@bms/contracts';
import { splitBatch } from './batching/split-batch';
import type { QueuedBatch } from './batching/version-queue';
import type { Clock } from './clock';
import type { DevicePermits } from './servables/device-permits';
import { DevicePlace, Followers } from './servables/device-place';
import { ExecutorLostError, type RunOutcome } from './servables/executor';
import type { PredictQueue, Turn } from './servables/predict-queue';
import type { PredictAnswer, PredictCall } from './servables/queued-prediction';
import { RunWatch } from './servables/run-watch';
import { replicaGone, type Servable } from './servables/servable';
import { WakeUp } from './wake-up';

/** One run of a model, for metrics. */
export interface RunObserved {
  readonly servable: Servable;
  /** Without padding. */
  readonly rows: number;
  readonly paddingRows: number;
  readonly requests: number;
  readonly runMs: number;
  /** Its requests run again, each alone. */
  readonly repeated: boolean;
}

/**
 * The way of a prediction through the worker, from top to bottom:
 * 1. `predict`: into the queue, earliest deadline first, callers in turn; refused when it is full or hopeless
 * 2. `dispatch`: out of it as batches once the device has a permit and the version an idle executor; what is too late or
 *    given up leaves without running
 * 3. `run`: the turn, a list of batches, goes to the version's executor, away from this thread; while it runs, the next one
 *    may follow it there already, if it is full
 * 4. `split`: each request gets its own rows; the requests of a batch that failed go back to 2, once, to run alone
 */
export class PredictStack {
  private dispatching = false;
  private readonly runs: RunWatch;
  private readonly wakeUp: WakeUp;
  private readonly followers = new Followers();

  constructor(
    private readonly queue: PredictQueue,
    private readonly permits: DevicePermits,
    private readonly clock: Clock,
    private readonly observe: (run: RunObserved) => void = () => undefined,
  ) {
    this.runs = new RunWatch(clock);
    this.wakeUp = new WakeUp(clock, () => this.dispatch());
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
    this.wakeUp.within(this.queue.refuseStale());
    for (let permit = this.permits.tryTake(); permit !== undefined; permit = this.permits.tryTake()) {
      const step = this.queue.next();
      if (step.kind === 'wait') {
        permit();
        this.wakeUp.within(step.forMs);
        break;
      }
      void this.run(step.turn, new DevicePlace(permit, this.clock));
    }
    this.follow();
  }

  private follow(): void {
    for (let turn = this.queue.nextToFollow(); turn !== undefined; turn = this.queue.nextToFollow()) {
      const place = new DevicePlace(undefined, this.clock);
      this.followers.add(turn.servable, place);
      void this.run(turn, place);
    }
  }

  private async run(turn: Turn, place: DevicePlace): Promise<void> {
    const { servable, batches } = turn;
    const unwatch = this.watchOver(turn, place);
    const endTurn = servable.beginTurn();
    try {
      const outcomes = await servable.executor.run(
        batches.map(({ entries, paddingRows }) => ({ requests: entries.map(({ call }) => call.request), paddingRows })),
      );
      let laterMs = 0; // how long the runs before it in the turn took
      batches.forEach((batch, at) => {
        const outcome = outcomes[at];
        if (outcome === undefined)
          throw new Error(`the executor answered ${outcomes.length} of ${batches.length} runs`);
        this.split(servable, batch, outcome, place.startedMs + laterMs);
        if ('computeUs' in outcome) laterMs += outcome.computeUs / 1000;
      });
    } catch (error) {
      this.fail(turn, error);
    } finally {
      unwatch();
      endTurn();
      place.passOn(this.followers.next(servable, place));
      this.dispatch();
    }
  }

  private split(servable: Servable, batch: QueuedBatch, outcome: RunOutcome, startedMs: number): void {
    const { rows, paddingRows, entries } = batch;
    const verdict = splitBatch(servable, batch, outcome, startedMs);
    if (verdict.mixesRows) servable.batching.stopJoining();
    if (verdict.blamed !== undefined) servable.batching.blame.blame(verdict.blamed, this.clock.monotonic());
    for (const entry of entries) {
      if (verdict.repeat) this.queue.runAgain(entry);
      else this.queue.finish(entry);
    }
    if (!('computeUs' in outcome)) return;
    const runMs = outcome.computeUs / 1000;
    servable.batching.observe(rows + paddingRows, runMs);
    this.observe({ servable, rows, paddingRows, requests: entries.length, runMs, repeated: verdict.repeat });
  }

  /** Keeps a run that takes long, or for ever, from stopping the others. Watches until the answer is called. */
  private watchOver(turn: Turn, place: DevicePlace): () => void {
    const all = turn.batches.flatMap(({ entries }) => entries);
    return this.runs.watch({
      onLong: () => {
        place.release(); // the run goes on; short ones of other versions need not wait for it
        this.dispatch();
      },
      isWaitedFor: () => all.some((entry) => entry.wanted && entry.dueMs > this.clock.now()),
      onStuck: () => {
        turn.servable.declareStuck();
        this.fail(turn, new ExecutorLostError('a run does not return', true));
      },
    });
  }

  private fail({ servable, batches }: Turn, error: unknown): void {
    const lost = error instanceof ExecutorLostError;
    const gone = replicaGone(servable.id, `is not on this worker any more: ${lost ? error.message : ''}`);
    const answer = !lost ? BmsError.from(error) : error.began ? broke(servable, error) : gone;
    for (const entry of batches.flatMap(({ entries }) => entries)) {
      this.queue.finish(entry);
      entry.reject(answer);
    }
    if (lost) this.queue.refuse(servable, gone);
  }
}

function broke({ id }: Servable, { message }: ExecutorLostError): BmsError {
  const why = `${id} broke on this worker while the request was on it: ${message}`;
  return new BmsError(Reason.WORKER_LOST, why, { facts: { version: id } });
}
