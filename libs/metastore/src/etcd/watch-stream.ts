import type { etcd, etcdKv } from '@bms/contracts';
import { CompactedError, type Revision, type WatchBatch, type WatchEvent } from '../meta-store';
import { saidBy } from './call-failure';
import { entryOf, keyOf } from './entry-message';
import type { HistoryGuard } from './history-guard';

/** etcd has ended the watch for a reason that another watch may not meet. */
export class WatchEndedError extends Error {
  override readonly name = 'WatchEndedError';
  constructor(readonly reason: string) {
    super(`etcd ended the watch: ${reason}`);
  }

  get refusal(): ReturnType<typeof saidBy> {
    return saidBy(this.reason);
  }
}

/** etcd's number for "of no watch". */
const NO_WATCH = -1n;
const DELETE: etcdKv.Event_EventType = 1;

/**
 * The batches in the messages of one watch. Resuming is right only from the revision behind a batch: that of its last event or, where there is none, of a
 * progress message that etcd has put in line behind all events (never of `created`, whose header has the store's present one).
 * A batch that came in fragments is told as one: revisions are whole.
 *
 * Throws CompactedError and {@link WatchEndedError}.
 */
export async function* watchBatches(
  messages: AsyncIterable<etcd.WatchResponse>,
  from: Revision,
  guard: HistoryGuard,
  onCreated: () => void,
): AsyncGenerator<WatchBatch, void, void> {
  let told = from - 1n;
  let parts: etcdKv.Event[] = [];
  for await (const message of messages) {
    guard.observe(message.header);
    // Before the reason, which 3.4 words in another way.
    if (message.compactRevision > 0n) throw new CompactedError(message.compactRevision);
    if (message.canceled) throw new WatchEndedError(message.cancelReason);
    if (message.created) {
      onCreated();
      continue;
    }
    parts = parts.length === 0 ? message.events : parts.concat(message.events);
    if (message.fragment) continue;
    for (const { type, kv } of parts) if (type !== DELETE && kv !== undefined) guard.saw(kv);
    const events = parts.map(eventOf);
    parts = [];
    const revision = events.length > 0 ? revisionOf(events) : progress(message);
    if (revision === undefined || revision <= told) continue;
    told = revision;
    yield { revision, events };
  }
}

function progress({ watchId, header }: etcd.WatchResponse): Revision | undefined {
  return watchId === NO_WATCH ? undefined : header?.revision;
}

function revisionOf(events: readonly WatchEvent[]): Revision | undefined {
  const last = events.at(-1);
  return last?.kind === 'put' ? last.entry.modRevision : last?.modRevision;
}

function eventOf({ type, kv }: etcdKv.Event): WatchEvent {
  if (kv === undefined) throw new TypeError('etcd told of an event without a key');
  if (type === DELETE) return { kind: 'delete', key: keyOf(kv), modRevision: kv.modRevision };
  return { kind: 'put', entry: entryOf(kv) };
}
