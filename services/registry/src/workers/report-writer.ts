import type { Clock } from '../clock';
import type { ReportedRecord } from '../records/values';
import { reportNews } from './report-filter';

export interface ReportWriterOptions {
  readonly clock: Clock;
  /** Puts a report into the store. */
  readonly write: (report: ReportedRecord) => Promise<void>;
  /** Told why a write failed; it is tried again after a pause, with what is the latest then. */
  readonly onFailed: (error: unknown) => void;
}

/** The least time between two writes that bring only measurements. */
export const MEMORY_INTERVAL_MS = 5_000;
const RETRY_MS = 500;

/** Brings a worker's reports into the store: the latest, one write at a time, and only what is news. */
export class ReportWriter {
  private latest: ReportedRecord | undefined;
  private stored: ReportedRecord | undefined;
  private storedAtMs = -Infinity;
  private writing = false;
  private cancelTimer: (() => void) | undefined;
  private closed = false;

  constructor(private readonly options: ReportWriterOptions) {}

  /** What the worker said last. */
  get last(): ReportedRecord | undefined {
    return this.latest;
  }

  offer(report: ReportedRecord): void {
    this.latest = report;
    this.pump();
  }

  /** The store has lost what was written, or has it by other means: what is news is decided anew. */
  assume(stored: ReportedRecord | undefined): void {
    this.stored = stored;
    this.pump();
  }

  close(): void {
    this.closed = true;
    this.cancelTimer?.();
  }

  private pump(): void {
    const { clock } = this.options;
    if (this.closed || this.writing || this.latest === undefined) return;
    const news = reportNews(this.stored, this.latest);
    if (news === 'none') return;
    const waitMs = news === 'state' ? 0 : this.storedAtMs + MEMORY_INTERVAL_MS - clock.nowMs();
    if (waitMs > 0) this.pumpAfter(waitMs);
    else void this.write(this.latest);
  }

  private async write(report: ReportedRecord): Promise<void> {
    this.writing = true;
    try {
      await this.options.write(report);
      this.stored = report;
      this.storedAtMs = this.options.clock.nowMs();
      this.writing = false;
      this.pump();
    } catch (error) {
      this.writing = false;
      this.options.onFailed(error);
      this.pumpAfter(RETRY_MS);
    }
  }

  private pumpAfter(delayMs: number): void {
    this.cancelTimer?.();
    if (!this.closed) this.cancelTimer = this.options.clock.after(delayMs, () => this.pump());
  }
}
