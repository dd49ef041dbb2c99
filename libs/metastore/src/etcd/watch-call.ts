import type { etcd } from '@bms/contracts';
import { MessageQueue } from '@bms/transport';
import type { Revision } from '../meta-store';
import type { EtcdRange } from './entry-message';
import type { Member } from './member';

/**
 * One watch on a stream of its own: etcd's messages as they come, the first of them `created`. Leaving the loop or aborting
 * `signal` ends it. Throws what a call throws.
 */
export async function* watchCall(
  member: Member,
  { key, rangeEnd }: EtcdRange,
  startRevision: Revision,
  signal: AbortSignal,
): AsyncGenerator<etcd.WatchResponse, void, void> {
  const requests = new MessageQueue<etcd.WatchRequest>();
  const value = { key, rangeEnd, startRevision, progressNotify: true, watchId: 0n, fragment: true };
  requests.push({ requestUnion: { $case: 'createRequest', value } });
  try {
    yield* member.watch.watch(requests, member.callOptions(undefined, signal));
  } finally {
    requests.close();
  }
}
