import type { Clock } from '../clock';
import type { Servable } from '../servables/servable';

/** How long what is in flight may take once a version is dropped. */
const DRAIN_MS = 30_000;

/**
 * Lets what is in flight end, within bounds, and closes the executor. Aborting `now` cuts the wait short. Answers false when a run
 * does not return: what it holds is then freed by the end of the process only.
 */
export async function drain(servable: Servable, clock: Clock, now: AbortSignal): Promise<boolean> {
  const unused = new AbortController();
  const patience = clock.wait(DRAIN_MS, AbortSignal.any([unused.signal, now]));
  await Promise.race([servable.retire(), patience]);
  unused.abort();
  return servable.executor.close();
}
