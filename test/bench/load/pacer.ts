import { parentPort, workerData } from 'node:worker_threads';
import { sharedClockMs } from './shared-clock';

/** At most so often is the other thread told; what is due meanwhile is told together. */
const TELL_EVERY_MS = 0.1;

/** What the pacer says: first when it began, by the clock that all threads share, then how many requests are due by now. */
export type PacerMessage = { readonly startedAtMs: number } | { readonly due: number };

/**
 * The clock of an open loop, as a thread: tells how many requests are due by now, at their times. It sleeps in between, so that it
 * takes no processor from what is measured; the sleep is exact to some 60 µs, where timers know whole milliseconds.
 */
function keepTime(perSecond: number): void {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  const startedAtMs = sharedClockMs();
  const everyMs = Math.max(TELL_EVERY_MS, 1_000 / perSecond);
  const tell = (message: PacerMessage): void => parentPort?.postMessage(message);
  tell({ startedAtMs });
  let told = 0;
  for (let nextMs = startedAtMs; ; ) {
    nextMs += everyMs;
    const restMs = nextMs - sharedClockMs();
    if (restMs > 0) Atomics.wait(cell, 0, 0, restMs);
    const due = Math.floor(((sharedClockMs() - startedAtMs) * perSecond) / 1_000);
    if (due > told) tell({ due });
    told = due;
  }
}

keepTime((workerData as { readonly perSecond: number }).perSecond);
