import { LeaseNotFoundError, OutcomeUnknownError, StoreUnavailableError } from '../meta-store';
import { readState, type LmdbTables } from './lmdb-tables';
import { StoreWriter, type HistoryLimits } from './store-writer';

/** Work on the tables. It throws before it writes anything, or does all. */
type Work<T> = (writer: StoreWriter) => T;

interface Job {
  readonly work: Work<unknown>;
  /** Brings memory in line; called once the work is durable, even where its answer gets lost. */
  readonly onDurable: (result: unknown) => void;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

type Outcome = { readonly result: unknown } | { readonly refusal: Error };

/** So many jobs share one sync of the disk, at most. */
const BATCH_JOBS = 64;

/**
 * Does one thing after the other to the store, in the order in which it was asked. What waits while the disk syncs
 * goes into one lmdb transaction together; each is answered once that is durable.
 */
export class WriteQueue {
  private waiting: Job[] = [];
  private running: Promise<void> | undefined;
  private closed = false;

  constructor(
    private readonly tables: LmdbTables,
    private readonly limits: HistoryLimits,
    private readonly onBatch: () => void,
    /** For tests: called when a batch is durable and not yet answered; what it throws loses the answers. */
    private readonly beforeAnswers: () => void,
  ) {}

  /**
   * Resolves once the work is durable. Throws what the work throws; `signal.reason` when it is aborted before its turn
   * comes; {@link StoreUnavailableError} when nothing was written; {@link OutcomeUnknownError}.
   */
  run<T>(work: Work<T>, signal?: AbortSignal, onDurable: (result: T) => void = () => undefined): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      signal?.throwIfAborted();
      if (this.closed) throw new StoreUnavailableError('the store is closed');
      const giveUp = (): void => {
        const place = this.waiting.indexOf(job);
        if (place < 0) return; // its turn has come: now it happens, and the caller learns how it went
        this.waiting.splice(place, 1);
        reject(signal?.reason as Error);
      };
      const settled = (): void => signal?.removeEventListener('abort', giveUp);
      const job: Job = {
        work,
        onDurable: (result) => onDurable(result as T),
        resolve: (result) => {
          settled();
          resolve(result as T);
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      };
      signal?.addEventListener('abort', giveUp, { once: true });
      this.waiting.push(job);
      this.running ??= this.drain();
    });
  }

  /** Finishes what lmdb has been given and refuses the rest. */
  async close(): Promise<void> {
    this.closed = true;
    const refused = this.waiting;
    this.waiting = [];
    for (const job of refused) job.reject(new StoreUnavailableError('the store is closed'));
    await this.running;
  }

  private async drain(): Promise<void> {
    await Promise.resolve(); // lets what is asked in one go share a batch
    while (this.waiting.length > 0) {
      const jobs = this.waiting.splice(0, BATCH_JOBS);
      await this.runBatch(jobs);
    }
    this.running = undefined;
  }

  private async runBatch(jobs: readonly Job[]): Promise<void> {
    let batchBefore: bigint | undefined;
    let outcomes: readonly Outcome[] = [];
    let failure: Error | undefined;
    try {
      batchBefore = this.currentBatch();
      // A child transaction, since lmdb commits a plain one even where its callback throws.
      outcomes = await this.tables.root.childTransaction(() => {
        const writer = new StoreWriter(this.tables);
        const results = jobs.map((job) => attempt(job, writer));
        writer.finish(this.limits);
        return results;
      });
      await this.tables.root.flushed;
    } catch (error) {
      if (batchBefore === this.currentBatch()) {
        const unavailable = new StoreUnavailableError(`the store could not write: ${String(error)}`, { cause: error });
        for (const job of jobs) job.reject(unavailable);
        return;
      }
      failure = new OutcomeUnknownError({ cause: error });
    }
    this.answer(jobs, outcomes, failure);
  }

  private answer(jobs: readonly Job[], outcomes: readonly Outcome[], failed: Error | undefined): void {
    let failure = failed;
    jobs.forEach((job, index) => {
      const outcome = outcomes[index];
      if (outcome !== undefined && 'result' in outcome) job.onDurable(outcome.result);
    });
    this.onBatch();
    try {
      this.beforeAnswers();
    } catch (error) {
      failure ??= new OutcomeUnknownError({ cause: error });
    }
    jobs.forEach((job, index) => {
      const outcome = outcomes[index];
      if (outcome !== undefined && 'refusal' in outcome) job.reject(outcome.refusal);
      else if (failure !== undefined || outcome === undefined) job.reject(failure ?? new OutcomeUnknownError());
      else job.resolve(outcome.result);
    });
  }

  /** Which batch is in the store; undefined where even that cannot be read. */
  private currentBatch(): bigint | undefined {
    try {
      this.tables.root.resetReadTxn();
      return readState(this.tables).batch;
    } catch {
      return undefined;
    }
  }
}

/** A refusal concerns one job; anything else fails the whole batch, since it may have come halfway. */
function attempt(job: Job, writer: StoreWriter): Outcome {
  try {
    return { result: job.work(writer) };
  } catch (error) {
    if (error instanceof LeaseNotFoundError) return { refusal: error };
    throw error;
  }
}
