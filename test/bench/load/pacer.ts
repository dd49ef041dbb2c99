import { parentPort, workerData } from 'node:worker_threads';
import { sharedClockMs } from './shared-clock';

/** What the pacer says: first that it has begun, then how many requests are due by a time of the clock that all threads share. */
export type PacerMessage =
  | { readonly kind: 'begun' }
  | { readonly kind: 'due'; readonly count: number; readonly atMs: number };

export interface PacerOptions {
  readonly perSecond: number;
  /** How far apart the times are at which requests are due, at least. */
  readonly everyMs: number;
}

/**
 * The clock of an open loop, as a thread. It sleeps in between, so that it takes no processor from what is measured; the sleep is
 * exact to some 60 µs, where timers are to a millisecond. Who is told late is told what was due when.
 */
function keepTime({ perSecond, everyMs }: PacerOptions): void {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  const tell = (message: PacerMessage): void => parentPort?.postMessage(message);
  const startedAtMs = sharedClockMs();
  const stepMs = Math.max(everyMs, 1_000 / perSecond);
  tell({ kind: 'begun' });
  let told = 0;
  for (let atMs = startedAtMs + stepMs; ; atMs += stepMs) {
    const restMs = atMs - sharedClockMs();
    if (restMs > 0) Atomics.wait(cell, 0, 0, restMs);
    // A step is a whole number of requests but for rounding.
    const count = Math.floor(((atMs - startedAtMs) * perSecond) / 1_000 + 1e-6);
    if (count > told) tell({ kind: 'due', count, atMs });
    told = count;
  }
}

keepTime(workerData as PacerOptions);
