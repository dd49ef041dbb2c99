import { readFileSync } from 'node:fs';

/** Makes Node.js say each collection of garbage on its output. */
export const TRACE_GC = '--trace-gc';

/** As V8 says it: `… Scavenge 21.5 (46.2) -> 7.3 (46.2) MB, pooled: 0 MB, 1.23 / 0.00 ms …`; the first is the pause. */
const PAUSE = /(?:Scavenge|Mark-Compact|Mark-sweep)[^\n]*? MB, (?:pooled: [0-9.]+ MB, )?([0-9.]+) \/ [0-9.]+ ms/g;

/** Watches a process's collections of garbage, by its log; it runs with {@link TRACE_GC}. */
export class GcPauses {
  private constructor(
    private readonly log: string,
    private readonly from: number,
  ) {}

  static watch(log: string): GcPauses {
    return new GcPauses(log, readFileSync(log, 'utf8').length);
  }

  /** The longest pause since the beginning, in milliseconds; 0 without one. */
  longestMs(): number {
    return longestPauseMs(readFileSync(this.log, 'utf8').slice(this.from));
  }
}

/** In what V8 has said. */
export function longestPauseMs(text: string): number {
  return Math.max(0, ...[...text.matchAll(PAUSE)].map(([, ms]) => Number(ms)));
}
