import { Counter, Gauge, Histogram, LATENCY_BUCKETS_SECONDS, type Registry } from '@bms/telemetry';
import type { MeshSnapshot } from '../watch/mesh-snapshot';

export interface RegistryGauges {
  readonly snapshot: () => MeshSnapshot;
  readonly attachedRouters: () => number;
  readonly attachedWorkers: () => number;
  readonly leads: () => boolean;
  /** Why the store cannot be used now; undefined: it can. */
  readonly storeTrouble: () => string | undefined;
  readonly inDoubt: () => boolean;
}

/** What operators see of a registry at /metrics. Counts of what there is are taken when they are asked for. */
export class RegistryMetrics {
  readonly commitSeconds: Histogram;
  private readonly placementActions: Counter<'action'>;

  constructor(registry: Registry, gauges: RegistryGauges) {
    const { snapshot } = gauges;
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
    const gauge = (name: string, help: string, value: () => number): void => {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(value());
        },
      });
    };
    gauge('bms_attached_routers', 'Routers that follow the routes of this registry', gauges.attachedRouters);
    gauge('bms_attached_workers', 'Workers that are attached to this registry', gauges.attachedWorkers);
    gauge('bms_registry_leads', '1: this registry decides placement', () => Number(gauges.leads()));
    gauge('bms_store_trouble', '1: the store cannot be used now', () => Number(gauges.storeTrouble() !== undefined));
    gauge('bms_store_in_doubt', '1: the store was wiped or restored, and waits for a decision', () =>
      Number(gauges.inDoubt()),
    );
    gauge('bms_store_revision', 'The revision of the store that this registry has seen', () =>
      Number(snapshot().revision),
    );
  }

  placed(action: string): void {
    this.placementActions.inc({ action });
  }
}
