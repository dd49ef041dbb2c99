import type { etcd } from '@bms/contracts';
import { HistoryReplacedError } from '../meta-store';
import { callFailure } from './call-failure';
import type { HistoryGuard } from './history-guard';
import type { AskedMember } from './member-status';

/**
 * Whether the history that a member holds has the last change that we have seen: a restored one may have gone on, past any
 * revision that we know, before we look. A change that was compacted away cannot be asked for any more, and counts as there.
 * Throws HistoryReplacedError, and what the call throws.
 */
export async function requireWitness(member: AskedMember, guard: HistoryGuard, withinMs: number): Promise<void> {
  const { witness, known } = guard;
  if (witness === undefined || known === undefined) return;
  const { key, modRevision } = witness;
  const found = await readAt(member, key, modRevision, withinMs);
  if (found === undefined || found.kvs[0]?.modRevision === modRevision) return;
  throw new HistoryReplacedError(
    { clusterId: known.clusterId, revision: modRevision },
    { clusterId: known.clusterId, revision: found.header?.revision ?? 0n },
  );
}

/** Undefined where that is compacted. */
async function readAt(
  member: AskedMember,
  key: Uint8Array,
  revision: bigint,
  withinMs: number,
): Promise<etcd.RangeResponse | undefined> {
  const request = { key, rangeEnd: new Uint8Array(), limit: 1n, revision, serializable: false, keysOnly: true };
  try {
    return await member.kv.range(request, member.callOptions(withinMs));
  } catch (error) {
    const failure = callFailure(error);
    if (failure.kind === 'refused' && failure.refusal === 'compacted') return undefined;
    throw error;
  }
}
