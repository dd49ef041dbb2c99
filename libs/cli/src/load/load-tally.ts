import { assertNever, reasonName, type Reason } from '@bms/contracts';
import { LatencyHistogram } from './latency-histogram';

/**
 * How a request ended.
 * - `right`: an answer that is the expected one
 * - `wrong`: an answer that is not
 * - `failed`: none, for any reason
 */
export type LoadOutcome =
  | { readonly kind: 'right'; readonly by: AnsweredBy }
  | { readonly kind: 'wrong'; readonly by: AnsweredBy; readonly difference: string }
  | { readonly kind: 'failed'; readonly reason: Reason; readonly message: string };

export interface AnsweredBy {
  readonly worker: string;
  readonly version: number;
  /** How often it was tried, by the router and here; 1 where nothing went wrong. */
  readonly attempts: number;
}

/** How often something happened, and the first time's words. */
export interface Seen {
  readonly count: number;
  readonly example: string;
}

/** What a load, or a second of it, came to. */
export class LoadTally {
  sent = 0;
  right = 0;
  wrong = 0;
  failed = 0;
  /** Answers that took more than one attempt, the router's own included. */
  triedAgain = 0;
  /** Of answers, right and wrong, from when they were due; failures that come at once would make it look better. */
  readonly latencies = new LatencyHistogram();
  /** How late requests were sent: this program's own share of the latency, and of what waited for --concurrency-limit. */
  readonly lateness = new LatencyHistogram();
  readonly workers = new Map<string, number>();
  readonly versions = new Map<number, number>();
  /** By the reason's name. */
  readonly failures = new Map<string, Seen>();
  firstDifference: string | undefined;

  get answered(): number {
    return this.right + this.wrong;
  }

  recordSent(lateMs: number): void {
    this.sent++;
    this.lateness.record(lateMs);
  }

  record(outcome: LoadOutcome, latencyMs: number): void {
    switch (outcome.kind) {
      case 'right':
        this.right++;
        return this.recordAnswer(outcome.by, latencyMs);
      case 'wrong':
        this.wrong++;
        this.firstDifference ??= `${outcome.difference} (version ${outcome.by.version}, worker ${outcome.by.worker})`;
        return this.recordAnswer(outcome.by, latencyMs);
      case 'failed':
        this.failed++;
        return this.recordFailure(reasonName(outcome.reason), outcome.message);
      default:
        return assertNever(outcome);
    }
  }

  private recordAnswer({ worker, version, attempts }: AnsweredBy, latencyMs: number): void {
    this.latencies.record(latencyMs);
    this.workers.set(worker, (this.workers.get(worker) ?? 0) + 1);
    this.versions.set(version, (this.versions.get(version) ?? 0) + 1);
    if (attempts > 1) this.triedAgain++;
  }

  private recordFailure(reason: string, message: string): void {
    const seen = this.failures.get(reason);
    this.failures.set(reason, { count: (seen?.count ?? 0) + 1, example: seen?.example ?? message });
  }
}
