import { assertNever, type models, type VersionId, type workerService } from '@bms/contracts';
import { endsInTime, StuckError } from '../servables/or-stuck';
import type { Servable } from '../servables/servable';
import { WakeUp } from '../wake-up';
import { drain } from './drain';
import { withoutFolders } from './local-reason';
import { nextAction } from './next-action';
import type { ReconcilerParts, Replica } from './reconciler-parts';
import { heldBytes, heldOf, replicaStatus, type ReplicaPhase } from './replica-phase';
import { retryDelayMs } from './retry-delay';
import { DoesNotFitError, type BroughtUp } from './version-loader';
import { wantedVersion, type WantedVersion } from './wanted-version';

/**
 * Makes present what is desired: after every change it asks `nextAction` for one step after the other and applies
 * them. What takes time goes on by itself and comes back as a change of its replica's phase.
 */
export class Reconciler {
  private desired: ReadonlyMap<VersionId, WantedVersion> = new Map();
  private readonly replicas = new Map<VersionId, Replica>();
  private readonly listeners = new Set<() => void>();
  private readonly work = new Set<Promise<void>>();
  private generationSeen = 0n;
  private readonly alarm: WakeUp;
  private readonly drainNow = new AbortController();
  private closed = false;
  private stuckThreads = false;

  constructor(private readonly parts: ReconcilerParts) {
    this.alarm = new WakeUp(parts.clock, () => this.step());
  }

  /** The desired set that was applied last; 0: none yet. */
  get generation(): bigint {
    return this.generationSeen;
  }

  /** Some thread does not end: only the end of the process frees it. */
  get stuck(): boolean {
    return this.stuckThreads;
  }

  /** Calls `listener` after every change of what is present. */
  onChange(listener: () => void): void {
    this.listeners.add(listener);
  }

  present(): models.ReplicaStatus[] {
    return [...this.replicas.values()].map(({ wanted, phase, sinceMs }) => replicaStatus(wanted.ref, phase, sinceMs));
  }

  /** Takes a desired set; false when its generation is below one that was seen, and it is ignored. */
  apply(set: workerService.DesiredSet): boolean {
    if (this.closed || set.generation < this.generationSeen) return false;
    const isNew = set.generation > this.generationSeen;
    this.generationSeen = set.generation;
    const wanted = set.versions.map(wantedVersion).filter((version) => version !== undefined);
    this.desired = new Map(wanted.map((version) => [version.id, version]));
    this.parts.journal.keepOnly(this.desired);
    if (isNew) this.retryFailed();
    this.changed();
    return true;
  }

  /** Drops everything; resolves when it is gone. Aborting `signal` cuts drains short. */
  async close(signal: AbortSignal): Promise<void> {
    this.closed = true;
    this.desired = new Map();
    this.step();
    const now = (): void => this.drainNow.abort();
    if (signal.aborted) now();
    signal.addEventListener('abort', now, { once: true });
    while (this.work.size > 0) await Promise.all(this.work);
    this.alarm.cancel();
    signal.removeEventListener('abort', now);
  }

  private step(): void {
    for (;;) {
      const { clock, journal } = this.parts;
      const action = nextAction(this.desired, this.replicas, clock.now(), (wanted) => journal.isSuspect(wanted));
      switch (action.kind) {
        case 'drop':
          this.drop(action.id);
          break;
        case 'load':
          this.load(action.wanted);
          break;
        case 'wait':
          this.alarm.within(action.untilMs - clock.now());
          return;
        case 'rest':
          return;
        default:
          assertNever(action);
      }
    }
  }

  private load(wanted: WantedVersion): void {
    const before = this.replicas.get(wanted.id)?.phase;
    const failures = before?.kind === 'failed' ? before.failures : 0;
    const replica: Replica = {
      wanted,
      fingerprint: wanted.fingerprint,
      phase: { kind: 'loading' },
      sinceMs: this.parts.clock.now(),
      servable: undefined,
      giveUp: new AbortController(),
    };
    this.replicas.set(wanted.id, replica);
    const held = this.parts.journal.quarantine(wanted);
    if (held !== undefined) {
      this.setPhase(replica, { kind: 'failed', reason: held, failures, retryAtMs: undefined });
      return;
    }
    this.setPhase(replica, { kind: 'loading' });
    this.track(this.bringUp(replica, failures));
  }

  private async bringUp(replica: Replica, failures: number): Promise<void> {
    const { loader, servables } = this.parts;
    const { signal } = replica.giveUp;
    let broughtUp: BroughtUp;
    try {
      broughtUp = await loader.bringUp(replica.wanted, signal, () => {
        if (!signal.aborted) this.setPhase(replica, { kind: 'warming' });
      });
    } catch (error) {
      if (error instanceof StuckError) this.stuckThreads = true;
      if (!signal.aborted) {
        this.failedToLoad(replica, error, failures + 1);
        return;
      }
      this.remove(replica);
      if (error instanceof StuckError) void this.awaitThread(replica.wanted.id, error);
      return;
    }
    const { servable, memoryBytes, unwarmed, provider, fellBack } = broughtUp;
    replica.servable = servable;
    if (signal.aborted) {
      await this.finish(replica, servable);
      return;
    }
    servables.add(servable);
    void servable.executor.lost.then((why) => this.isLost(replica, servable, why));
    void servable.stuck.then(() => this.isStuck(replica, servable));
    this.setPhase(replica, { kind: 'ready', memoryBytes, unwarmed, provider, fellBack });
  }

  private failedToLoad(replica: Replica, error: unknown, failures: number): void {
    const { journal, requestRestart } = this.parts;
    const isStuck = error instanceof StuckError;
    if (isStuck) journal.countDeath(replica.wanted, 'load');
    this.failed(replica, error, failures);
    // Otherwise its thread would take a core for as long as this process lives.
    if (isStuck) requestRestart(`a warm-up run of ${replica.wanted.id} does not return`);
  }

  /** A load that was given up may only be slow to end: it gets as long as any run before a new process is asked for. */
  private async awaitThread(id: VersionId, { threadEnded }: StuckError): Promise<void> {
    if ((await endsInTime(threadEnded, this.parts.clock)) || this.closed) return;
    this.parts.requestRestart(`a given-up load of ${id} does not end`);
  }

  private failed(replica: Replica, error: unknown, failures: number): void {
    const { clock, ledger, requestRestart } = this.parts;
    // What did not return once would take another thread each time.
    const retryAtMs = error instanceof StuckError ? undefined : clock.now() + retryDelayMs(failures);
    const reason = withoutFolders(error, this.parts.localFolders);
    this.setPhase(replica, { kind: 'failed', reason, failures, retryAtMs });
    const held = [...this.replicas.values()].reduce((sum, { phase }) => sum + heldBytes(phase), 0);
    if (error instanceof DoesNotFitError && ledger.isFragmented(held)) requestRestart('memory is fragmented');
  }

  private isLost(replica: Replica, servable: Servable, why: string): void {
    // Only the executor whose run took the device with it is lost by that.
    if (this.parts.deviceFailed?.() === true) this.parts.journal.countDeath(replica.wanted, 'service');
    this.broke(replica, servable, new Error(`it broke: ${why}`));
  }

  /** A replica that was ready is lost. */
  private broke(replica: Replica, servable: Servable, why: Error): void {
    if (replica.phase.kind !== 'ready') return;
    this.parts.servables.remove(servable);
    void servable.retire();
    this.failed(replica, why, 1);
  }

  /** Its thread cannot be ended, so that only a new process can hold the version again. */
  private isStuck(replica: Replica, servable: Servable): void {
    this.stuckThreads = true;
    this.parts.journal.countDeath(replica.wanted, 'service');
    this.broke(replica, servable, new StuckError('it broke: a run of it does not return'));
    void servable.executor.close(); // frees the thread, should the run return after all
    this.parts.requestRestart(`a run of ${servable.id} does not return`);
  }

  private drop(id: VersionId): void {
    const replica = this.replicas.get(id);
    if (replica === undefined) return;
    const { phase, servable } = replica;
    if (phase.kind === 'failed') {
      this.remove(replica);
      return;
    }
    this.setPhase(replica, { kind: 'draining', ...heldOf(phase) });
    replica.giveUp.abort(new Error('the version is not wanted any more'));
    if (servable !== undefined) this.track(this.finish(replica, servable));
  }

  /** Lets what is in flight end, within bounds, and closes the executor. */
  private async finish(replica: Replica, servable: Servable): Promise<void> {
    this.parts.servables.remove(servable);
    if (!(await drain(servable, this.parts.clock, this.drainNow.signal))) this.stuckThreads = true;
    this.remove(replica);
  }

  private remove(replica: Replica): void {
    if (this.replicas.get(replica.wanted.id) !== replica) return;
    this.replicas.delete(replica.wanted.id);
    this.parts.say({ version: replica.wanted.id, phase: 'gone' });
    this.changed();
  }

  /** Whoever asks anew for a version that failed wants it tried now. */
  private retryFailed(): void {
    const nowMs = this.parts.clock.now();
    for (const replica of this.replicas.values()) {
      const { phase } = replica;
      if (phase.kind === 'failed' && phase.retryAtMs !== undefined) replica.phase = { ...phase, retryAtMs: nowMs };
    }
  }

  private setPhase(replica: Replica, phase: ReplicaPhase): void {
    replica.phase = phase;
    replica.sinceMs = this.parts.clock.now();
    const detail = phase.kind === 'failed' ? phase.reason : phase.kind === 'ready' ? phase.unwarmed : undefined;
    this.parts.say({ version: replica.wanted.id, phase: phase.kind, ...(detail === undefined ? {} : { detail }) });
    this.changed();
  }

  /** Reports and goes on; not from within a step, which would start another one inside it. */
  private changed(): void {
    queueMicrotask(() => {
      this.step();
      for (const listener of this.listeners) listener();
    });
  }

  private track(work: Promise<void>): void {
    this.work.add(work);
    void work.finally(() => this.work.delete(work));
  }
}
