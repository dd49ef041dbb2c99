import { setMaxListeners } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BmsError, Reason } from '@bms/contracts';
import { openEmbeddedStore, type CommitResult, type MetaStore, type Transaction, type Write } from '@bms/metastore';
import { systemClock, type Clock } from './clock';
import { ModelCatalog } from './models/model-catalog';
import { ModelStore } from './models/model-store';
import { ReadinessWatch } from './models/readiness-watch';
import { KeyLayout } from './records/keys';
import { desiredFormat, reportedFormat, workerFormat, type MeshRecord } from './records/values';
import { MIB, RAN_ON_CPU, versionRecord, workerRecord, type Reported } from './watch/mesh-builder.testkit';
import { NO_PEERS } from './peers/no-peers.testkit';
import { MeshStore } from './store/mesh-store';
import { openMesh } from './store/open-mesh';
import { StoreTrust } from './store/store-trust';
import { closedBy, type StreamGate } from './streams/stream-gate';
import { waitUntil } from './watch/change-source';
import type { MeshSnapshot } from './watch/mesh-snapshot';
import { MeshRouters } from './watch/mesh-routers';
import { RouteFeed } from './watch/route-feed';
import { RouterAcknowledgements } from './watch/router-acknowledgements';
import { RouterConnections } from './watch/router-connections';
import { StoreMirror } from './watch/store-mirror';

/** What happens to a commit on its way: `commit` goes on to the store. */
export type CommitFault = (commit: () => Promise<CommitResult>, transaction: Transaction) => Promise<CommitResult>;

/** A registry's inner parts over a real embedded store, without ports, and with a store that a spec can disturb. */
export class RegistryCore {
  readonly keys = new KeyLayout();
  readonly shutdown = new AbortController();
  readonly gate: StreamGate = closedBy(this.shutdown.signal, () => new BmsError(Reason.DRAINING, 'going away'));
  readonly connections = new RouterConnections();
  readonly routers = new MeshRouters(this.connections, NO_PEERS, 'r1');
  readonly trust = new StoreTrust(this.keys, () => this.clock.nowMs());
  readonly store: MeshStore;
  readonly troubles: unknown[] = [];
  readonly failures: Error[] = [];
  readonly mirror: StoreMirror;
  readonly feed: RouteFeed;
  readonly acknowledgements: RouterAcknowledgements;
  readonly readiness: ReadinessWatch;
  readonly models: ModelStore;
  readonly catalog: ModelCatalog;
  /** The next commits meet these, one each. */
  readonly faults: CommitFault[] = [];
  private readonly stopped = new AbortController();
  private generation = 0;

  static async open(clock: Clock = systemClock): Promise<RegistryCore> {
    const folder = mkdtempSync(join(tmpdir(), 'bms-registry-'));
    const real = await openEmbeddedStore({ folder });
    const keys = new KeyLayout();
    const opening = new MeshStore(real, { reopen: undefined, refusal: () => undefined, onSuspicion: () => undefined });
    const { mesh } = await openMesh({ store: opening, keys, known: undefined, nowMs: 1 }, new AbortController().signal);
    const core = new RegistryCore(folder, real, clock, mesh);
    await core.mirror.start(core.stopped.signal);
    return core;
  }

  private constructor(
    readonly folder: string,
    private readonly real: MetaStore,
    readonly clock: Clock,
    readonly mesh: MeshRecord,
  ) {
    setMaxListeners(0, this.shutdown.signal, this.stopped.signal);
    this.store = new MeshStore(this.disturbed(), {
      reopen: undefined,
      refusal: () => this.trust.refusal(),
      onSuspicion: () => this.mirror.lookAgain(),
    });
    const { store, keys, routers, trust, gate } = this;
    this.mirror = new StoreMirror({
      store,
      trust,
      keys,
      clock,
      mesh,
      onFailed: (error) => this.failures.push(error),
      onTrouble: (error) => this.troubles.push(error),
    });
    const { mirror } = this;
    this.feed = new RouteFeed(mirror);
    this.acknowledgements = new RouterAcknowledgements(this.feed, routers, clock);
    const { acknowledgements } = this;
    this.readiness = new ReadinessWatch({ mirror, keys, acknowledgements, clock, defaultReplicas: 2, gate });
    this.models = new ModelStore({ store, keys, clock: systemClock, random: Math.random });
    const { models, readiness } = this;
    this.catalog = new ModelCatalog({ models, readiness, mirror, acknowledgements, clock });
  }

  private disturbed(): MetaStore {
    const { real, faults } = this;
    return new Proxy(real, {
      get: (target, name) => {
        if (name === 'commit') {
          return (transaction: Transaction, signal?: AbortSignal) => {
            const commit = (): Promise<CommitResult> => real.commit(transaction, signal);
            return faults.shift()?.(commit, transaction) ?? commit();
          };
        }
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }

  /** A live worker with these replicas, desired and reported; resolves once the mirror has it. */
  async worker(id: string, ...replicas: readonly Reported[]): Promise<void> {
    const generation = ++this.generation;
    const versions = replicas.map(([text]) => {
      const { tenant, model, version } = versionRecord(text);
      return { tenant, model, version };
    });
    await this.write(
      { put: this.keys.worker(id), value: workerFormat.encode(workerRecord(id)) },
      { put: this.keys.desired(id), value: desiredFormat.encode({ generation, changedAtMs: 1, versions }) },
      this.reportOf(id, replicas),
    );
  }

  /** What a worker says it holds; resolves once the mirror has it. */
  async report(id: string, ...replicas: readonly Reported[]): Promise<void> {
    await this.write(this.reportOf(id, replicas));
  }

  private reportOf(id: string, replicas: readonly Reported[]): Write {
    const held = replicas.map(([text, state, fields]) => {
      const { tenant, model, version } = versionRecord(text);
      return {
        tenant,
        model,
        version,
        state,
        sinceMs: 1,
        reason: '',
        memoryBytes: MIB,
        unwarmed: false,
        ...RAN_ON_CPU,
        ...fields,
      };
    });
    const memory = { totalBytes: 8192 * MIB, freeBytes: 4096 * MIB, residentBytes: MIB };
    const { incarnation } = workerRecord(id);
    const value = reportedFormat.encode({
      incarnation,
      generation: this.generation,
      memory,
      deviceFailure: '',
      replicas: held,
    });
    return { put: this.keys.reported(id), value };
  }

  private async write(...writes: readonly Write[]): Promise<void> {
    const { revision } = await this.real.commit({ compares: [], writes });
    await this.mirror.reached(revision, this.stopped.signal, 5_000);
  }

  /** What `check` finds in the snapshot, now or within 5 s. */
  async until<T>(check: (snapshot: MeshSnapshot) => T | undefined): Promise<T> {
    const options = { clock: systemClock, signal: this.stopped.signal, boundMs: 5_000 };
    const found = await waitUntil([this.mirror], () => check(this.mirror.snapshot), options);
    if (found === undefined) throw new Error('it did not come within 5 s');
    return found;
  }

  async close(): Promise<void> {
    this.shutdown.abort();
    this.stopped.abort();
    await this.mirror.stopped();
    await this.real.close();
    rmSync(this.folder, { recursive: true });
  }
}
