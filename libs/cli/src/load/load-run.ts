import { LoadTally, type LoadOutcome } from './load-tally';

export interface LoadPlan {
  readonly ratePerSecond: number;
  /** How many requests in all. */
  readonly requests: number;
  /** How many may be under way; those that are due beyond it wait. */
  readonly concurrencyLimit: number;
}

/** Monotonic time, so that a test can hold it. */
export interface LoadClock {
  nowMs(): number;
  /** Ends early, without throwing, when `signal` is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export interface SecondReport {
  /** How many seconds have passed: 1 for the first report. */
  readonly second: number;
  /** Since the report before: of this second alone, as a rule. */
  readonly window: LoadTally;
  readonly total: LoadTally;
  readonly underWay: number;
}

export interface LoadRunOptions {
  readonly plan: LoadPlan;
  readonly clock: LoadClock;
  /** Sends request number `index`, which was due at `dueMs` of the clock. Must not throw. */
  readonly send: (index: number, dueMs: number) => Promise<LoadOutcome>;
  readonly onSecond: (report: SecondReport) => void;
  /** Aborting it sends nothing more. */
  readonly signal: AbortSignal;
}

export interface LoadResult {
  readonly total: LoadTally;
  readonly tookMs: number;
  /** Requests that were still under way when waiting for them ended, after an abort. */
  readonly abandoned: number;
}

/** How long requests under way are waited for after an abort. */
const ABORT_GRACE_MS = 1_000;
const SECOND_MS = 1_000;
/** So many overdue requests are sent at once; then answers get their turn, or being late would make later ones later still. */
const BURST = 32;

/** When request number `index` is due, in milliseconds from the start. */
export function dueAtMs(index: number, ratePerSecond: number): number {
  return (index * 1_000) / ratePerSecond;
}

/**
 * Sends requests at a fixed rate whether or not earlier ones have been answered (an open loop), and takes each latency from
 * when the request was due. A mesh that stalls therefore shows as latency; with a closed loop, which sends the next when the
 * last is answered, it would show as fewer requests ("coordinated omission").
 */
export async function runLoad(options: LoadRunOptions): Promise<LoadResult> {
  return new LoadRun(options).run();
}

class LoadRun {
  private readonly startMs: number;
  private readonly total = new LoadTally();
  private window = new LoadTally();
  private underWay = 0;
  private sent = 0;
  private wake: (() => void) | undefined;

  constructor(private readonly options: LoadRunOptions) {
    this.startMs = options.clock.nowMs();
  }

  async run(): Promise<LoadResult> {
    const { clock, signal } = this.options;
    const ended = new AbortController();
    const reporting = this.reportSeconds(ended.signal);
    const wakeUp = (): void => this.wake?.();
    signal.addEventListener('abort', wakeUp);
    try {
      await this.sendAll();
      await this.waitForAnswers();
    } finally {
      signal.removeEventListener('abort', wakeUp);
      ended.abort();
    }
    const reported = await reporting;
    const tookMs = clock.nowMs() - this.startMs;
    if (this.window.sent + this.window.answered + this.window.failed > 0) {
      this.report(Math.max(reported + 1, Math.ceil(tookMs / SECOND_MS)));
    }
    return { total: this.total, tookMs, abandoned: this.underWay };
  }

  private async sendAll(): Promise<void> {
    const { plan, clock, signal } = this.options;
    for (let inARow = 0; this.sent < plan.requests && !signal.aborted; ) {
      const dueMs = this.startMs + dueAtMs(this.sent, plan.ratePerSecond);
      if (dueMs > clock.nowMs() || inARow === BURST) {
        await clock.sleep(Math.max(0, dueMs - clock.nowMs()), signal);
        inARow = 0;
      } else if (this.underWay >= plan.concurrencyLimit) {
        await this.nextEnd();
      } else {
        this.sendOne(dueMs);
        inARow++;
      }
    }
  }

  private sendOne(dueMs: number): void {
    const { clock, send } = this.options;
    const lateMs = clock.nowMs() - dueMs;
    this.total.recordSent(lateMs);
    this.window.recordSent(lateMs);
    this.underWay++;
    void send(this.sent++, dueMs).then((outcome) => {
      const latencyMs = clock.nowMs() - dueMs;
      this.total.record(outcome, latencyMs);
      this.window.record(outcome, latencyMs);
      this.underWay--;
      this.wake?.();
    });
  }

  /** Each ends by its deadline at the latest. */
  private async waitForAnswers(): Promise<void> {
    const { clock, signal } = this.options;
    while (this.underWay > 0 && !signal.aborted) await this.nextEnd();
    if (this.underWay === 0) return;
    const allEnded = new AbortController();
    const grace = clock.sleep(ABORT_GRACE_MS, allEnded.signal).then(() => 'over' as const);
    while (this.underWay > 0) {
      if ((await Promise.race([this.nextEnd(), grace])) === 'over') break;
    }
    allEnded.abort();
  }

  /** Resolves when a request has ended, or on the abort. */
  private async nextEnd(): Promise<void> {
    await new Promise<void>((resolve) => (this.wake = resolve));
    this.wake = undefined;
  }

  /** A second that was slept through, on a machine that is too busy, is part of the next one. Answers the last one reported. */
  private async reportSeconds(ended: AbortSignal): Promise<number> {
    const { clock } = this.options;
    for (let reported = 0; ; ) {
      await clock.sleep(Math.max(0, this.startMs + (reported + 1) * SECOND_MS - clock.nowMs()), ended);
      if (ended.aborted) return reported;
      reported = Math.max(reported + 1, Math.floor((clock.nowMs() - this.startMs) / SECOND_MS));
      this.report(reported);
    }
  }

  private report(second: number): void {
    const { window } = this;
    this.window = new LoadTally();
    this.options.onSecond({ second, window, total: this.total, underWay: this.underWay });
  }
}
