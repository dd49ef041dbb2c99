import { LinkedAbort } from '@bms/transport';
import { StoreUnavailableError, type Revision } from '../meta-store';
import type { EtcdRange } from './entry-message';
import type { Members } from './members';
import { watchCall } from './watch-call';

/** How long etcd may take to refuse a watch. */
const WITHIN_MS = 2_000;

/**
 * What the history was compacted to, given a revision that is gone: etcd says so only to a watch that asks for it.
 * Throws StoreUnavailableError where it does not answer.
 */
export async function findCompactRevision(
  members: Members,
  range: EtcdRange,
  gone: Revision,
  signal?: AbortSignal,
): Promise<Revision> {
  const { member, leave } = await members.place(0, signal);
  const limit = AbortSignal.timeout(WITHIN_MS);
  const abort = new LinkedAbort(signal, leave, member.lost, limit);
  try {
    for await (const { compactRevision } of watchCall(member, range, gone, abort.signal)) {
      if (compactRevision > 0n) return compactRevision;
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw new StoreUnavailableError(`etcd at ${member.address} does not answer`, { cause: error });
  } finally {
    abort.unlink();
  }
  throw new StoreUnavailableError(`etcd at ${member.address} ended a watch without a word`);
}
