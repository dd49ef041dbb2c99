import type { etcd, etcdKv } from '@bms/contracts';
import {
  CompactedError,
  type Entry,
  type KeyRange,
  type RangeOptions,
  type RangeResult,
  type Revision,
} from '../meta-store';
import { EtcdRefusedError } from './call-failure';
import { findCompactRevision } from './compact-revision';
import { entryOf, etcdRange, type EtcdRange } from './entry-message';
import type { HistoryGuard } from './history-guard';
import type { Members } from './members';
import type { UnaryCalls } from './unary-calls';

/** How many entries a page has at most; halved where that many are more bytes than an answer may have. */
const PAGE_ENTRIES = 5_000;
/** How often the present is read anew because it was compacted away between two pages. */
const RESTARTS_MAX = 3;

/** Reads a range in pages, all at one revision. */
export class RangePages {
  constructor(
    private readonly calls: UnaryCalls,
    private readonly members: Members,
    private readonly guard: HistoryGuard,
  ) {}

  async read(range: KeyRange, { revision, signal }: RangeOptions): Promise<RangeResult> {
    if (revision !== undefined && revision < 1n) throw new RangeError(`there is no revision ${revision} to read at`);
    for (let restarts = 0; ; restarts++) {
      try {
        return await this.readAt(etcdRange(range), revision, signal);
      } catch (error) {
        if (EtcdRefusedError.is(error, 'future-revision')) {
          throw new RangeError(`the store has not come to revision ${revision} yet`);
        }
        if (!EtcdRefusedError.is(error, 'compacted')) throw error;
        if (revision !== undefined) throw await this.compacted(range, revision, signal);
        if (restarts === RESTARTS_MAX) throw error;
      }
    }
  }

  private async readAt(range: EtcdRange, at: Revision | undefined, signal?: AbortSignal): Promise<RangeResult> {
    const entries: Entry[] = [];
    let revision = at;
    let { key } = range;
    for (let limit = PAGE_ENTRIES; ; ) {
      const page = await this.page({ key, rangeEnd: range.rangeEnd }, limit, revision, signal);
      if (page === undefined) {
        limit = Math.ceil(limit / 2);
        continue;
      }
      revision ??= page.header?.revision ?? 0n;
      for (const kv of page.kvs) entries.push(entryOf(kv));
      const newest = newestOf(page.kvs);
      if (newest !== undefined) this.guard.saw(newest);
      const last = page.kvs.at(-1);
      if (!page.more || last === undefined) return { entries, revision };
      key = Buffer.concat([last.key, Buffer.alloc(1)]); // the first key that there can be behind it
    }
  }

  /** Undefined when so many entries are too many bytes. */
  private async page(
    { key, rangeEnd }: EtcdRange,
    limit: number,
    revision: Revision | undefined,
    signal: AbortSignal | undefined,
  ): Promise<etcd.RangeResponse | undefined> {
    const request = {
      key,
      rangeEnd,
      limit: BigInt(limit),
      revision: revision ?? 0n,
      serializable: false,
      keysOnly: false,
    };
    try {
      return await this.calls.repeatable(({ kv }, options) => kv.range(request, options), signal);
    } catch (error) {
      if (limit > 1 && EtcdRefusedError.is(error, 'answer-too-large')) return undefined;
      throw error;
    }
  }

  /** etcd does not say what it was compacted to; a watch from there is told. */
  private async compacted(range: KeyRange, revision: Revision, signal?: AbortSignal): Promise<CompactedError> {
    return new CompactedError(await findCompactRevision(this.members, etcdRange(range), revision, signal));
  }
}

function newestOf(kvs: readonly etcdKv.KeyValue[]): etcdKv.KeyValue | undefined {
  let newest = kvs[0];
  for (const kv of kvs) if (newest !== undefined && kv.modRevision > newest.modRevision) newest = kv;
  return newest;
}
