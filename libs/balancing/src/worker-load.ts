/** What a worker reported about its queue counts in full at first and not at all after this long. */
const REPORT_VALID_MS = 1_000;

/**
 * How much a worker has to do: the calls that we have there, and, as its answers report its queue, those that
 * others have there. The report includes our own calls, so they are taken off.
 */
export class WorkerLoad {
  private calls = 0;
  private othersCalls = 0;
  private reportedAtMs = 0;

  get inFlight(): number {
    return this.calls;
  }

  begin(): void {
    this.calls++;
  }

  end(): void {
    this.calls--;
  }

  /** Takes the number of requests that waited or ran at the worker when it answered. */
  report(queueDepth: number, nowMs: number): void {
    this.othersCalls = Math.max(0, queueDepth - this.calls);
    this.reportedAtMs = nowMs;
  }

  /** The number of calls ahead of one that would be sent now. */
  read(nowMs: number): number {
    if (this.othersCalls === 0) return this.calls;
    const age = Math.min(1, Math.max(0, nowMs - this.reportedAtMs) / REPORT_VALID_MS);
    return this.calls + this.othersCalls * (1 - age);
  }
}
