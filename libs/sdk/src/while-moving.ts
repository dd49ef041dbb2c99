import { BmsError, Reason } from '@bms/contracts';
import { LinkedAbort } from '@bms/transport';

/**
 * Runs a transfer, which calls `moved` for each piece, as long as pieces come: throws UPLOAD_INTERRUPTED after `stallMs` without one, and
 * what the transfer throws.
 */
export async function whileMoving(
  stallMs: number,
  given: AbortSignal | undefined,
  transfer: (signal: AbortSignal, moved: () => void) => Promise<void>,
): Promise<void> {
  const abort = new LinkedAbort(given);
  let stalled = false;
  const timer = setTimeout(() => {
    stalled = true;
    abort.abort();
  }, stallMs);
  try {
    await transfer(abort.signal, () => void timer.refresh());
  } catch (error) {
    if (!stalled) throw error;
    throw new BmsError(Reason.UPLOAD_INTERRUPTED, `nothing moved for ${stallMs / 1000} s`, { cause: error });
  } finally {
    clearTimeout(timer);
    abort.unlink();
  }
}
