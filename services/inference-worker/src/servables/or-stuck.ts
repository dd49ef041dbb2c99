import { LinkedAbort } from '@bms/transport';
import type { Clock } from '../clock';

/** A run that takes longer than this is taken to never return. */
const RETURNS_WITHIN_MS = 60_000;

/** A run did not return: its thread is lost, and trying again would lose another. */
export class StuckError extends Error {
  override readonly name = 'StuckError';
  constructor(
    message: string,
    /** Resolves should the thread end after all. */
    readonly threadEnded: Promise<void> = new Promise(() => undefined),
  ) {
    super(message);
  }
}

/** A run's answer. Throws {@link StuckError} when it does not return in time. */
export async function orStuck<T>(run: Promise<T>, clock: Clock, signal: AbortSignal): Promise<T> {
  const over = new LinkedAbort(signal);
  const late = clock.wait(RETURNS_WITHIN_MS, over.signal).then((): never => {
    signal.throwIfAborted();
    throw new StuckError(`its warm-up run did not return within ${RETURNS_WITHIN_MS / 1000} s`);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([run, late]);
  } finally {
    over.abort();
    over.unlink();
    run.catch(() => undefined);
  }
}

/** Whether a thread that was given up ends within the time that a run may take. */
export async function endsInTime(threadEnded: Promise<void>, clock: Clock): Promise<boolean> {
  const ended = new AbortController();
  void threadEnded.then(() => ended.abort());
  await clock.wait(RETURNS_WITHIN_MS, ended.signal);
  return ended.signal.aborted;
}
