import { OutcomeUnknownError, type Compare, type LeaseHold, type MetaStore, type Revision } from '@bms/metastore';
import { pause, type Clock } from '../clock';
import type { RegistryPresence } from '../peers/registry-presence';
import type { KeyLayout } from '../records/keys';
import { leaderFormat } from '../records/values';
import type { RegistryIdentity } from '../store/state-folder';
import type { StoreTrust } from '../store/store-trust';
import { Wakeup } from '../streams/wakeup';
import { ChangeSource } from '../watch/change-source';
import type { StoreMirror } from '../watch/store-mirror';
import type { Leadership } from './leadership';

export interface LeaderElectionOptions {
  readonly store: MetaStore;
  readonly keys: KeyLayout;
  readonly mirror: StoreMirror;
  readonly trust: StoreTrust;
  readonly presence: RegistryPresence;
  readonly identity: RegistryIdentity;
  readonly clock: Clock;
  /** Told what went wrong; it is tried again. */
  readonly onTrouble: (error: unknown) => void;
}

/** A time of leading: from the making of the leader key until it is gone, or the lease under it may be. */
interface Term {
  readonly createRevision: Revision;
  readonly hold: LeaseHold;
}

const RETRY_MS = 500;

/**
 * One of the registries leads: the one that made the key `leader`, which lives with its lease. Every transaction of a leader
 * compares the revision at which its key was made, so one that was frozen, or cut off, until another took over writes nothing.
 */
export class LeaderElection implements Leadership {
  private readonly changes = new ChangeSource();
  private readonly stop = new AbortController();
  private readonly wakeup = new Wakeup();
  private readonly undo: (() => void)[] = [];
  private term: Term | undefined;
  private running: Promise<void> | undefined;

  constructor(private readonly options: LeaderElectionOptions) {}

  leads(): boolean {
    const { trust } = this.options;
    return this.term !== undefined && !this.term.hold.lost.aborted && trust.doubt === undefined;
  }

  /** Of one that does not lead: compares what is never so. */
  fence(): readonly Compare[] {
    const key = this.options.keys.leader();
    if (this.term === undefined)
      return [
        { key, is: 'absent' },
        { key, is: 'present' },
      ];
    return [{ key, createRevision: this.term.createRevision }];
  }

  onChange(listener: () => void): () => void {
    return this.changes.onChange(listener);
  }

  start(): void {
    const { mirror, presence, trust } = this.options;
    this.undo.push(
      mirror.onChange(this.wakeup.wake),
      presence.onChange(this.wakeup.wake),
      trust.onChange(this.wakeup.wake),
      this.wakeup.onAbort(this.stop.signal),
    );
    this.running = this.run();
  }

  /** Campaigns no more. The key goes with the registry's lease. */
  async close(): Promise<void> {
    this.stop.abort();
    await this.running;
    for (const action of this.undo) action();
    this.setTerm(undefined);
  }

  private async run(): Promise<void> {
    const { clock, onTrouble } = this.options;
    const { signal } = this.stop;
    while (!signal.aborted) {
      try {
        if (!(await this.step(signal))) await this.wakeup.wait();
      } catch (error) {
        if (signal.aborted) return;
        if (this.options.trust.doubt === undefined) onTrouble(error);
        await pause(clock, RETRY_MS, signal);
      }
    }
  }

  /** Answers whether there may be more to do at once. */
  private async step(signal: AbortSignal): Promise<boolean> {
    const { mirror, presence, trust, identity } = this.options;
    const { hold } = presence;
    this.setTerm(this.stillHeld());
    if (this.term !== undefined || hold === undefined || hold.lost.aborted || trust.doubt !== undefined) return false;
    const { leader } = mirror.snapshot;
    if (leader === undefined) return this.campaign(hold, signal);
    if (leader.record.registry !== identity.registryId) return false;
    if (leader.record.incarnation === identity.incarnation && leader.leaseId === hold.leaseId) {
      this.setTerm({ createRevision: leader.createRevision, hold });
      return false;
    }
    // Made by this registry before its restart, or with a lease that it has lost: nobody leads by it.
    return this.clear(leader.modRevision, signal);
  }

  private stillHeld(): Term | undefined {
    const { term } = this;
    const { snapshot } = this.options.mirror;
    if (term === undefined || term.hold.lost.aborted || term.hold !== this.options.presence.hold) return undefined;
    if (snapshot.revision < term.createRevision) return term; // the own key is still to be seen
    return snapshot.leader?.createRevision === term.createRevision ? term : undefined;
  }

  private async campaign(hold: LeaseHold, signal: AbortSignal): Promise<boolean> {
    const { store, keys, mirror, identity } = this.options;
    const key = keys.leader();
    const value = leaderFormat.encode({ registry: identity.registryId, incarnation: identity.incarnation });
    const before = mirror.snapshot.revision;
    try {
      const transaction = {
        compares: [{ key, is: 'absent' }] as const,
        writes: [{ put: key, value, leaseId: hold.leaseId }],
      };
      const { succeeded, revision } = await store.commit(transaction, signal);
      if (succeeded) this.setTerm({ createRevision: revision, hold });
      else await mirror.reached(before + 1n, signal, RETRY_MS);
    } catch (error) {
      // Whether the key was made, the mirror tells.
      if (!(error instanceof OutcomeUnknownError)) throw error;
      await mirror.reached(before + 1n, signal, RETRY_MS);
    }
    return this.term === undefined;
  }

  private async clear(modRevision: Revision, signal: AbortSignal): Promise<boolean> {
    const { store, keys, mirror } = this.options;
    const key = keys.leader();
    const { revision } = await store.commit({ compares: [{ key, modRevision }], writes: [{ delete: key }] }, signal);
    await mirror.reached(revision, signal, RETRY_MS);
    return true;
  }

  private setTerm(term: Term | undefined): void {
    if (this.term?.createRevision === term?.createRevision && this.term?.hold === term?.hold) return;
    this.term = term;
    if (term !== undefined) this.wakeup.onAbort(term.hold.lost);
    this.changes.announce();
  }
}
