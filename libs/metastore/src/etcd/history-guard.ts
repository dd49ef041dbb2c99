import type { etcd } from '@bms/contracts';
import { HistoryReplacedError, type Revision, type StorePoint } from '../meta-store';

type Header = etcd.ResponseHeader;

/** A change that was seen: a history without it is another one. */
export interface Witness {
  readonly key: Uint8Array;
  readonly modRevision: Revision;
}

/**
 * Knows whose data the store holds and how far its history had come, and refuses answers that come from other data: a store that
 * was wiped, restored from a snapshot, or another one.
 */
export class HistoryGuard {
  private point: StorePoint | undefined;
  private latest: Witness | undefined;

  /** Undefined until the first answer. */
  get known(): StorePoint | undefined {
    return this.point;
  }

  /** The highest revision that was ever answered. Asked for before a read starts, it tells what that must have reached. */
  get revision(): Revision {
    return this.point?.revision ?? 0n;
  }

  /** The last change that was read, watched or written. */
  get witness(): Witness | undefined {
    return this.latest;
  }

  /** Takes note of a change. */
  saw({ key, modRevision }: Witness): void {
    if (modRevision <= (this.latest?.modRevision ?? 0n)) return;
    this.latest = { key: Uint8Array.from(key), modRevision }; // a copy: what it came with may be large
  }

  /** Takes note of an answer. Throws HistoryReplacedError where it comes from another cluster. */
  observe(header: Header | undefined): Revision {
    if (header === undefined) throw new TypeError('etcd answered without a header');
    const clusterId = header.clusterId.toString(16);
    const { point } = this;
    if (point !== undefined && point.clusterId !== clusterId) {
      throw new HistoryReplacedError(point, { clusterId, revision: header.revision });
    }
    if (point === undefined || header.revision > point.revision) this.point = { clusterId, revision: header.revision };
    return header.revision;
  }

  /**
   * As {@link observe}, for the answer to a linearizable call.
   * @param before {@link revision} when the call was sent: such an answer can never be of an earlier one
   */
  observeLinearizable(header: Header | undefined, before: Revision): Revision {
    const revision = this.observe(header);
    if (revision < before && this.point !== undefined) {
      const { clusterId } = this.point;
      throw new HistoryReplacedError({ clusterId, revision: before }, { clusterId, revision });
    }
    return revision;
  }
}
