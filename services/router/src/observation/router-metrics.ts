import type { BmsError } from '@bms/contracts';
import { Counter, Gauge, Histogram, LATENCY_BUCKETS_SECONDS, type Registry } from '@bms/telemetry';
import type { VersionEntry, WorkerEntry } from '../catalog/route-table';
import type { FleetReplica } from '../fleet/fleet-replica';
import type { ObservedCall, Protocol } from '../infer-call';
import { outcomeName } from './call-outcome';

/** What is read when metrics are collected. */
export interface RouterGauges {
  revision(): number;
  workers(): { readonly routed: number; readonly connected: number };
  bytesInFlight(): number;
}

/** What counts the answered requests of a version. */
interface Answered {
  readonly requests: { inc(): void };
  readonly seconds: { observe(seconds: number): void };
}

/**
 * The router's metrics. Models and versions are labels only where the routes know them: otherwise callers could make labels
 * without end.
 */
export class RouterMetrics {
  private readonly requests;
  private readonly seconds;
  private readonly inFlight;
  private readonly picks;
  private readonly attempts;
  private readonly ejections;
  private readonly picksOf = new WeakMap<WorkerEntry, { inc(): void }>();
  private readonly answeredOf: Readonly<Record<Protocol, WeakMap<VersionEntry, Answered>>> = {
    'oip-grpc': new WeakMap(),
    'tensorflow-rest': new WeakMap(),
  };

  constructor(registry: Registry, gauges: RouterGauges) {
    const registers = [registry];
    this.requests = new Counter({
      name: 'bms_router_requests_total',
      help: 'Requests by their final outcome: OK or the reason of the error',
      labelNames: ['protocol', 'tenant', 'model', 'version', 'outcome'] as const,
      registers,
    });
    this.seconds = new Histogram({
      name: 'bms_router_request_seconds',
      help: 'Time from the request to the answer at the router, of answered requests',
      labelNames: ['tenant', 'model', 'version'] as const,
      buckets: LATENCY_BUCKETS_SECONDS,
      registers,
    });
    this.inFlight = new Gauge({ name: 'bms_router_in_flight', help: 'Requests under way', registers });
    this.picks = new Counter({
      name: 'bms_router_picks_total',
      help: 'Attempts by the worker that they were sent to',
      labelNames: ['worker'] as const,
      registers,
    });
    this.attempts = new Counter({
      name: 'bms_router_failed_attempts_total',
      help: 'Attempts that failed, by reason; most are tried again elsewhere',
      labelNames: ['worker', 'reason'] as const,
      registers,
    });
    this.ejections = new Counter({
      name: 'bms_router_ejections_total',
      help: 'Replicas taken out of the picks, by cause',
      labelNames: ['worker', 'cause'] as const,
      registers,
    });
    gauge(registry, 'bms_router_routes_revision', 'Revision of the routes in use; -1: none', () => gauges.revision());
    gauge(registry, 'bms_router_workers_routed', 'Workers in the routes', () => gauges.workers().routed);
    gauge(registry, 'bms_router_workers_connected', 'Workers connected', () => gauges.workers().connected);
    gauge(registry, 'bms_router_bytes_in_flight', 'Bytes of requests in memory', () => gauges.bytesInFlight());
  }

  started(): void {
    this.inFlight.inc();
  }

  ended({ protocol, progress }: ObservedCall, failure: BmsError | undefined, seconds: number): void {
    this.inFlight.dec();
    const { tenant = '', model = '', version = '' } = progress.version ?? {};
    if (failure === undefined && progress.version !== undefined) {
      const answered = this.answered(protocol, progress.version);
      answered.requests.inc();
      answered.seconds.observe(seconds);
      return;
    }
    this.requests.inc({ protocol, tenant, model, version, outcome: outcomeName(failure) });
    if (failure === undefined) this.seconds.observe({ tenant, model, version }, seconds);
  }

  attempt({ worker }: FleetReplica, failure: BmsError | undefined): void {
    let picks = this.picksOf.get(worker);
    if (picks === undefined) this.picksOf.set(worker, (picks = this.picks.labels({ worker: worker.workerId })));
    picks.inc();
    if (failure !== undefined) this.attempts.inc({ worker: worker.workerId, reason: outcomeName(failure) });
  }

  /** Looked up once for each version, not for each request. */
  private answered(protocol: Protocol, entry: VersionEntry): Answered {
    const known = this.answeredOf[protocol].get(entry);
    if (known !== undefined) return known;
    const { tenant, model, version } = entry;
    const answered = {
      requests: this.requests.labels({ protocol, tenant, model, version, outcome: outcomeName(undefined) }),
      seconds: this.seconds.labels({ tenant, model, version }),
    };
    this.answeredOf[protocol].set(entry, answered);
    return answered;
  }

  connection({ workerId }: WorkerEntry, ready: boolean): void {
    if (!ready) this.ejections.inc({ worker: workerId, cause: 'connection' });
  }

  ejected({ worker }: FleetReplica): void {
    this.ejections.inc({ worker: worker.workerId, cause: 'failures' });
  }
}

function gauge(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}
