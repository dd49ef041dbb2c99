import { etcd } from '@bms/contracts';
import { openEtcdStore, type MetaStore, type Revision, type WatchEvent } from '@bms/metastore';
import type { Direction, FaultProxy, Verdict } from '@bms/transport/testkit';

const LEADER = '/bms/main/leader';
const DESIRED = '/bms/main/desired/';

/** From the making of the leader's key to its end. */
interface Term {
  readonly created: Revision;
  ended: Revision | undefined;
  /** The compare that fences what is written in this term, as it goes over the wire. */
  readonly fence: Uint8Array;
}

interface DesiredWrite {
  readonly key: string;
  readonly value: Uint8Array;
  readonly revision: Revision;
  /** When it was seen, in milliseconds since 1970. */
  readonly seenAtMs: number;
}

/**
 * What was placed, and as whose term's leader: desired sets and terms from etcd itself, and who had sent each set from what
 * passed the proxy between registries and etcd.
 */
export class PlacementHistory {
  readonly terms: Term[] = [];
  readonly writes: DesiredWrite[] = [];
  private readonly sent: Buffer[] = [];
  private readonly ended = new AbortController();
  private onNext: (() => Verdict) | undefined;
  private following: Promise<void> = Promise.resolve();

  private constructor(private readonly store: MetaStore) {}

  /** @param endpoint etcd's own; its registries come through `proxy` */
  static async follow(endpoint: string, proxy: FaultProxy): Promise<PlacementHistory> {
    const history = new PlacementHistory(await openEtcdStore({ endpoints: [endpoint] }));
    const { entries, revision } = await history.store.range({ key: LEADER });
    for (const { createRevision } of entries) history.begin(createRevision);
    proxy.judge((direction, chunk) => history.judge(direction, chunk));
    history.following = history.watch(revision + 1n);
    return history;
  }

  /** Calls `strike` as the next desired set is on its way to etcd; it decides whether that arrives. */
  atNextWrite(strike: () => Verdict): void {
    this.onNext = strike;
  }

  /** Desired sets that came to be when their writer's term was over, or without a leader's fence. */
  violations(): readonly string[] {
    return this.writes.flatMap(({ key, value, revision }) => {
      const writers = this.sent.map((chunk) => this.termOf(chunk, value)).filter((term) => term !== undefined);
      if (writers.length === 0) return [`${key} at revision ${revision} was written by nobody who leads`];
      const within = writers.some(({ created, ended }) => created < revision && (ended ?? revision + 1n) > revision);
      return within ? [] : [`${key} at revision ${revision} was written by the leader of ${writers[0]?.created}`];
    });
  }

  async close(): Promise<void> {
    this.ended.abort();
    await this.following;
    await this.store.close();
  }

  private async watch(from: Revision): Promise<void> {
    const { signal } = this.ended;
    for await (const { events } of this.store.watch({ prefix: '/bms/main/' }, from, signal))
      events.forEach((one) => this.take(one));
  }

  private take(event: WatchEvent): void {
    if (event.kind === 'delete') {
      const last = this.terms.at(-1);
      if (event.key === LEADER && last !== undefined) last.ended = event.modRevision;
      return;
    }
    const { key, value, createRevision, modRevision } = event.entry;
    if (key === LEADER) this.begin(createRevision);
    if (key.startsWith(DESIRED)) this.writes.push({ key, value, revision: modRevision, seenAtMs: Date.now() });
  }

  private begin(created: Revision): void {
    const fence = etcd.Compare.encode({
      key: Buffer.from(LEADER),
      result: etcd.Compare_CompareResult.EQUAL,
      target: etcd.Compare_CompareTarget.CREATE,
      targetUnion: { $case: 'createRevision', value: created },
    }).finish();
    this.terms.push({ created, ended: undefined, fence });
  }

  private judge(direction: Direction, chunk: Buffer): Verdict {
    if (direction !== 'to-server' || !chunk.includes(LEADER) || !chunk.includes(DESIRED)) return 'pass';
    this.sent.push(chunk);
    const strike = this.onNext;
    this.onNext = undefined;
    return strike?.() ?? 'pass';
  }

  /** Whose fence is before the value in what was sent: a transaction's compares go before its writes. */
  private termOf(chunk: Buffer, value: Uint8Array): Term | undefined {
    const before = chunk.indexOf(value);
    if (before < 0) return undefined;
    const fenced = this.terms.map((term) => ({ term, at: chunk.lastIndexOf(term.fence, before) }));
    return fenced.filter(({ at }) => at >= 0).sort((one, other) => other.at - one.at)[0]?.term;
  }
}
