import { OutcomeUnknownError, type LeaseHold, type MetaStore, type Revision } from '@bms/metastore';
import { pause, type Clock } from '../clock';
import type { KeyLayout } from '../records/keys';
import { registryFormat, type RegistryRecord } from '../records/values';
import type { StoreTrust } from '../store/store-trust';
import { Wakeup } from '../streams/wakeup';
import { ChangeSource, type Changing } from '../watch/change-source';
import type { StoreMirror } from '../watch/store-mirror';

export interface RegistryPresenceOptions {
  readonly store: MetaStore;
  readonly keys: KeyLayout;
  readonly mirror: StoreMirror;
  readonly trust: StoreTrust;
  readonly leaseTtlMs: number;
  readonly clock: Clock;
  /** Told what went wrong; it is tried again. */
  readonly onTrouble: (error: unknown) => void;
  /** Another process has this registry's id: this one, the older, has to end. */
  readonly onReplaced: (reason: string) => void;
}

const RETRY_MS = 500;
const OWN_WRITE_BOUND_MS = 5_000;

/**
 * This registry's place in the store: its record, by which others find it, and one lease, which is kept while it lives and
 * taken anew when it was lost. Tells when the hold changes.
 */
export class RegistryPresence implements Changing {
  private readonly changes = new ChangeSource();
  private readonly stop = new AbortController();
  private readonly wakeup = new Wakeup();
  private readonly undo: (() => void)[] = [];
  private held: LeaseHold | undefined;
  private placedAt: Revision = 0n;
  private replaced = false;
  private running: Promise<void> | undefined;

  constructor(private readonly options: RegistryPresenceOptions) {}

  /** Undefined: it has no place now. */
  get hold(): LeaseHold | undefined {
    return this.held;
  }

  onChange(listener: () => void): () => void {
    return this.changes.onChange(listener);
  }

  start(record: RegistryRecord): void {
    const { mirror, trust } = this.options;
    this.undo.push(
      mirror.onChange(this.wakeup.wake),
      trust.onChange(this.wakeup.wake),
      this.wakeup.onAbort(this.stop.signal),
    );
    this.running = this.keep(record);
  }

  /** Gives the place up: the lease ends, and with it the record and, of a leader, the lead. */
  async leave(signal: AbortSignal): Promise<void> {
    this.stop.abort();
    await this.running;
    for (const action of this.undo) action();
    const { held } = this;
    this.setHold(undefined);
    held?.release();
    // Where the store does not answer, the lease runs out.
    if (held !== undefined) await this.options.store.revokeLease(held.leaseId, signal).catch(() => undefined);
  }

  private async keep(record: RegistryRecord): Promise<void> {
    const { clock, trust, onTrouble } = this.options;
    const { signal } = this.stop;
    while (!signal.aborted) {
      try {
        if (this.held !== undefined && !this.isKept(record)) {
          this.held.release();
          this.setHold(undefined);
        }
        if (this.held === undefined && trust.doubt === undefined) await this.take(record, signal);
        await this.wakeup.wait();
      } catch (error) {
        if (signal.aborted) return;
        if (trust.doubt === undefined) onTrouble(error);
        await pause(clock, RETRY_MS, signal);
      }
    }
  }

  private isKept(record: RegistryRecord): boolean {
    const { mirror, trust, onReplaced } = this.options;
    if (this.held === undefined || this.held.lost.aborted || trust.doubt !== undefined) return false;
    if (mirror.snapshot.revision < this.placedAt) return true; // the own record is still to be seen
    const stored = mirror.snapshot.registries.get(record.id)?.record;
    if (stored !== undefined && stored.incarnation !== record.incarnation) {
      if (this.replaced) return true;
      this.replaced = true;
      onReplaced(
        `another registry runs with the id ${record.id} (on ${stored.host}, pid ${stored.pid}): ` +
          'its state folder is a copy, give each registry its own with --state',
      );
      return true;
    }
    return stored !== undefined;
  }

  private async take(record: RegistryRecord, signal: AbortSignal): Promise<void> {
    const { store, keys, leaseTtlMs, mirror } = this.options;
    const hold = await store.grantLease(leaseTtlMs, signal);
    const key = keys.registry(record.id);
    let placedAt: Revision;
    try {
      const writes = [{ put: key, value: registryFormat.encode(record), leaseId: hold.leaseId }];
      const { succeeded, revision } = await store.commit({ compares: [], writes }, signal);
      if (!succeeded) throw new Error('the store is not of this mesh any more');
      placedAt = revision;
      await mirror.reached(revision, signal, OWN_WRITE_BOUND_MS);
    } catch (error) {
      hold.release();
      // What may have been written hangs on a lease that runs out, or is replaced by the next attempt.
      if (error instanceof OutcomeUnknownError) await store.revokeLease(hold.leaseId, signal).catch(() => undefined);
      throw error;
    }
    this.wakeup.onAbort(hold.lost);
    this.placedAt = placedAt;
    this.setHold(hold);
  }

  private setHold(hold: LeaseHold | undefined): void {
    if (this.held === hold) return;
    this.held = hold;
    this.changes.announce();
  }
}
