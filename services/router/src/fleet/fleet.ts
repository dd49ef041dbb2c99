import type { VersionId, WorkerId } from '@bms/contracts';
import { Picker, type Tried, type Verdict } from '@bms/balancing';
import type { CancelSignal, Channel } from '@bms/transport';
import type { ModelEntry, RouteTable, VersionEntry, WorkerEntry } from '../catalog/route-table';
import type { Clock } from '../clock';
import type { FleetReplica } from './fleet-replica';
import { WorkerLink, type WorkerLinkEvents } from './worker-link';

export interface FleetOptions {
  readonly dial: (address: string) => Channel;
  readonly clock: Clock;
  /** Uniform, 0 ≤ x < 1. */
  readonly random: () => number;
  /** The most calls that one worker may have in flight from here. */
  readonly callsPerWorker: number;
  /** How long a new worker's first connection is waited for before a revision is acknowledged. */
  readonly firstConnectionMs: number;
  readonly observer: FleetObserver;
}

/** Is told what happens in the fleet. */
export interface FleetObserver {
  connection(worker: WorkerEntry, ready: boolean): void;
  ejected(replica: FleetReplica): void;
}

/** After this a version without workers is not thought to come back by itself. */
const LOST_LATELY_MS = 30_000;

/** How a wait for a change ended. */
export type Change = 'changed' | 'timed out' | 'aborted';

/** All workers in the routes, each behind one warm connection, and who of them is picked. */
export class Fleet {
  private readonly links = new Map<WorkerId, WorkerLink>();
  /** Of the routes in use. */
  private models: RouteTable['models'] = new Map();
  /** Versions that some worker holds, by the routes in use. */
  private readonly held = new Set<VersionId>();
  /** When versions that no worker holds lost their last one. */
  private readonly lostAtMs = new Map<VersionId, number>();
  /** Snapshots, made when first asked for after a change. */
  private readonly pickers = new Map<VersionEntry, Picker<FleetReplica>>();
  private readonly waiting = new Set<() => void>();
  private readonly listeners = new Set<() => void>();
  private readonly events: WorkerLinkEvents;

  constructor(private readonly options: FleetOptions) {
    const { observer } = options;
    this.events = {
      onVerdict: () => this.changed(),
      onConnection: ({ worker }, ready) => observer.connection(worker, ready),
      onEjected: (replica) => observer.ejected(replica),
    };
  }

  /** Connects to who is new in the routes and lets go of who is not in them any more. */
  follow(table: RouteTable): void {
    for (const worker of table.workers.values()) {
      const link = this.links.get(worker.workerId);
      if (link !== undefined && sameProcess(link.worker, worker)) continue;
      link?.retire();
      this.links.set(worker.workerId, this.connect(worker));
    }
    for (const [id, link] of this.links) {
      if (table.workers.has(id)) continue;
      this.links.delete(id);
      link.retire();
    }
    this.followModels(table.models);
    this.changed();
  }

  /** Calls `listener` after each change of who is picked. */
  onChange(listener: () => void): void {
    this.listeners.add(listener);
  }

  /** @param tried those that the call was sent to already */
  pick(version: VersionEntry, tried: Tried<FleetReplica>): Verdict<FleetReplica> {
    const { clock, random } = this.options;
    const nowMs = clock.monotonicMs();
    let picker = this.pickers.get(version);
    if (picker === undefined || nowMs >= picker.validUntilMs) {
      picker = new Picker(this.replicasOf(version), nowMs, this.options.callsPerWorker);
      this.pickers.set(version, picker);
    }
    return picker.pick({ nowMs, random, tried });
  }

  /**
   * Whether a version that no worker holds was held a moment ago: its workers died together and start again, so that waiting for
   * them is worth it, as it is not for a version that was never ready.
   */
  lostLately({ id }: VersionEntry): boolean {
    const lostAtMs = this.lostAtMs.get(id);
    return lostAtMs !== undefined && this.options.clock.monotonicMs() - lostAtMs < LOST_LATELY_MS;
  }

  /** Resolves at the next change of who is picked, after `boundMs`, or when `signal` is aborted. */
  nextChange(boundMs: number, signal: CancelSignal): Promise<Change> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve('aborted');
      const end = (how: Change): void => {
        cancelTimer();
        this.waiting.delete(onChange);
        signal.removeEventListener('abort', onAbort);
        resolve(how);
      };
      const onChange = (): void => end('changed');
      const onAbort = (): void => end('aborted');
      const cancelTimer = this.options.clock.after(boundMs, () => end('timed out'));
      this.waiting.add(onChange);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Resolves once each worker's first connection is made, has failed or has been waited for long enough. */
  async firstConnections(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const nowMs = this.options.clock.monotonicMs();
      const bounds = [...this.links.values()].flatMap((link) => link.pendingUntilMs() ?? []);
      const openMs = bounds.filter((untilMs) => untilMs > nowMs);
      if (openMs.length === 0) return;
      await this.nextChange(Math.max(...openMs) - nowMs, signal);
    }
  }

  /** Workers that the routes name and, of them, those that are connected. */
  get size(): { readonly routed: number; readonly connected: number } {
    return { routed: this.links.size, connected: [...this.links.values()].filter(({ ready }) => ready).length };
  }

  /** Lets go of all; calls in flight go on. */
  close(): void {
    for (const link of this.links.values()) link.retire();
    this.links.clear();
    this.changed();
  }

  /** Looks at the models that differ only: of ten thousand, a change of the routes mostly concerns one. */
  private followModels(models: RouteTable['models']): void {
    const before = this.models;
    this.models = models;
    for (const [id, model] of models) {
      const old = before.get(id);
      if (old !== model) this.followModel(old, model);
    }
    for (const [id, old] of before) {
      if (!models.has(id)) this.followModel(old, undefined);
    }
  }

  private followModel(old: ModelEntry | undefined, model: ModelEntry | undefined): void {
    const nowMs = this.options.clock.monotonicMs();
    for (const { id, readyWorkers } of model?.versions.values() ?? []) {
      if (readyWorkers.length > 0) {
        this.held.add(id);
        this.lostAtMs.delete(id);
      } else if (this.held.delete(id)) {
        this.lostAtMs.set(id, nowMs);
      }
    }
    for (const [number, { id }] of old?.versions ?? []) {
      if (model?.versions.has(number) === true) continue;
      this.held.delete(id);
      this.lostAtMs.delete(id);
      for (const link of this.links.values()) link.forget(id);
    }
  }

  private connect(worker: WorkerEntry): WorkerLink {
    const { dial, clock, firstConnectionMs } = this.options;
    return new WorkerLink(worker, dial(worker.address), clock, this.events, firstConnectionMs);
  }

  private replicasOf(version: VersionEntry): FleetReplica[] {
    return version.readyWorkers.flatMap((id) => this.links.get(id)?.replicaOf(version.id) ?? []);
  }

  private changed(): void {
    this.pickers.clear();
    const woken = [...this.waiting];
    for (const wake of woken) wake();
    for (const listener of this.listeners) listener();
  }
}

function sameProcess(one: WorkerEntry, other: WorkerEntry): boolean {
  return one.incarnation === other.incarnation && one.address === other.address;
}
