import { Counter, Gauge, Histogram, LATENCY_BUCKETS_SECONDS, type Registry } from '@bms/telemetry';
import type { MeshSnapshot } from '../watch/mesh-snapshot';

export interface RegistryGauges {
  readonly snapshot: () => MeshSnapshot;
  readonly attachedRouters: () => number;
}

/** What operators see of a registry at /metrics. Counts of what there is are taken when they are asked for. */
export class RegistryMetrics {
  readonly commitSeconds: Histogram;
  private readonly placementActions: Counter<'action'>;

  constructor(registry: Registry, { snapshot, attachedRouters }: RegistryGauges) {
    const registers = [registry];
    this.commitSeconds = new Histogram({
      name: 'bms_store_commit_seconds',
      help: 'How long a transaction of the store took, until it was durable or refused',
      buckets: LATENCY_BUCKETS_SECONDS,
      registers,
    });
    this.placementActions = new Counter({
      name: 'bms_placement_actions_total',
      help: 'Changes of what workers shall hold: assign, retire, drop',
      labelNames: ['action'],
      registers,
    });
    new Gauge({
      name: 'bms_models',
      help: 'Models, by tenant',
      labelNames: ['tenant'],
      registers,
      collect() {
        this.reset();
        for (const { model } of snapshot().models.values()) this.inc({ tenant: model.record.tenant });
      },
    });
    new Gauge({
      name: 'bms_versions',
      help: 'Versions, by tenant and lifecycle state',
      labelNames: ['tenant', 'state'],
      registers,
      collect() {
        this.reset();
        for (const { versions } of snapshot().models.values()) {
          for (const { record } of versions.values()) this.inc({ tenant: record.tenant, state: record.state });
        }
      },
    });
    new Gauge({
      name: 'bms_workers',
      help: 'Workers whose lease lives: attached, draining, or lost (no stream; the lease is running out)',
      labelNames: ['state'],
      registers,
      collect() {
        this.reset();
        for (const { worker } of snapshot().workers.values()) {
          if (worker === undefined) continue;
          const { draining, attached } = worker.record;
          this.inc({ state: draining ? 'draining' : attached ? 'attached' : 'lost' });
        }
      },
    });
    new Gauge({
      name: 'bms_attached_routers',
      help: 'Routers that follow the routes of this registry',
      registers,
      collect() {
        this.set(attachedRouters());
      },
    });
    new Gauge({
      name: 'bms_store_revision',
      help: 'The revision of the store that this registry has seen',
      registers,
      collect() {
        this.set(Number(snapshot().revision));
      },
    });
  }

  placed(action: string): void {
    this.placementActions.inc({ action });
  }
}
