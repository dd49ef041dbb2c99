/** So many requests that made a batch fail, within this time, … */
const BLAMES_MAX = 3;
const WINDOW_MS = 10_000;
/** … and the caller's requests run alone for so long. */
const ALONE_MS = 10_000;
/** What is remembered at most; the oldest is forgotten first. */
const CALLERS_MAX = 1_000;

interface Blames {
  blames: number;
  sinceMs: number;
  aloneUntilMs: number;
}

/** Who made batches fail lately: each such costs the others that are joined to it a run of their own. Times are monotonic. */
export class CallerBlame {
  private readonly records = new Map<string, Blames>();

  /** A request of the caller failed by itself, after the batch that it was in had failed. */
  blame(caller: string, nowMs: number): void {
    const known = this.records.get(caller);
    const record =
      known !== undefined && nowMs - known.sinceMs < WINDOW_MS
        ? known
        : { blames: 0, sinceMs: nowMs, aloneUntilMs: known?.aloneUntilMs ?? 0 };
    record.blames++;
    if (record.blames >= BLAMES_MAX) record.aloneUntilMs = nowMs + ALONE_MS;
    this.records.delete(caller);
    this.records.set(caller, record);
    const [oldest] = this.records.keys();
    if (this.records.size > CALLERS_MAX && oldest !== undefined) this.records.delete(oldest);
  }

  runsAlone(caller: string, nowMs: number): boolean {
    const record = this.records.get(caller);
    return record !== undefined && nowMs < record.aloneUntilMs;
  }
}
