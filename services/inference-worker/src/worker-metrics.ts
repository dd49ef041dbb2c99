import { models, type workerService } from '@bms/contracts';
import { Counter, Gauge, Histogram, LATENCY_BUCKETS_SECONDS, type Registry } from '@bms/telemetry';
import type { PredictionObserved } from './infer.handler';

/** What is read when somebody asks for the metrics. */
export interface WorkerGauges {
  /** Requests that wait or run, and the bytes of their inputs. */
  readonly queue: () => { readonly depth: number; readonly bytes: number };
  readonly replicas: () => readonly models.ReplicaStatus[];
  readonly memory: () => workerService.Memory;
}

const BY_VERSION = ['tenant', 'model', 'version'] as const;

/** The worker's own metrics; answers what is to be told of each prediction. */
export function workerMetrics(registry: Registry, gauges: WorkerGauges): (prediction: PredictionObserved) => void {
  const registers = [registry];
  const requests = new Counter({
    name: 'bms_worker_requests_total',
    help: 'Predictions by how they ended: answered, or the reason of the refusal or failure',
    labelNames: [...BY_VERSION, 'outcome'],
    registers,
  });
  const queueSeconds = new Histogram({
    name: 'bms_worker_queue_seconds',
    help: 'From arrival to the start of the run',
    labelNames: BY_VERSION,
    buckets: LATENCY_BUCKETS_SECONDS,
    registers,
  });
  const computeSeconds = new Histogram({
    name: 'bms_worker_compute_seconds',
    help: 'The run itself',
    labelNames: BY_VERSION,
    buckets: LATENCY_BUCKETS_SECONDS,
    registers,
  });
  registerGauges(registry, gauges);
  return ({ servable, outcome, timings }) => {
    const { tenant, model, version } = servable.ref;
    const labels = { tenant, model, version: String(version) };
    requests.inc({ ...labels, outcome });
    if (timings === undefined) return;
    queueSeconds.observe(labels, timings.queueUs / 1e6);
    computeSeconds.observe(labels, timings.computeUs / 1e6);
  };
}

function registerGauges(registry: Registry, { queue, replicas, memory }: WorkerGauges): void {
  const gauge = (name: string, help: string, read: () => number): void => {
    const made: Gauge = new Gauge({ name, help, registers: [registry], collect: () => made.set(read()) });
  };
  gauge('bms_worker_queue_depth', 'Requests that wait or run', () => queue().depth);
  gauge('bms_worker_queue_bytes', 'Bytes of the inputs of requests that wait or run', () => queue().bytes);
  gauge('bms_worker_memory_total_bytes', 'What the worker may use', () => Number(memory().totalBytes));
  gauge('bms_worker_memory_free_bytes', 'What of that is free', () => Number(memory().freeBytes));
  const states: Gauge = new Gauge({
    name: 'bms_worker_replicas',
    help: 'Versions on this worker by their state',
    labelNames: ['state'],
    registers: [registry],
    collect: () => {
      states.reset();
      for (const { state } of replicas()) states.inc({ state: stateName(state) });
    },
  });
  const held: Gauge = new Gauge({
    name: 'bms_worker_replica_memory_bytes',
    help: 'What the process grew by while the version was loaded, measured',
    labelNames: BY_VERSION,
    registers: [registry],
    collect: () => {
      held.reset();
      for (const { ref, memoryBytes } of replicas()) {
        if (ref === undefined || memoryBytes === 0n) continue;
        held.set({ tenant: ref.tenant, model: ref.model, version: String(ref.version) }, Number(memoryBytes));
      }
    },
  });
}

function stateName(state: models.ReplicaState): string {
  return models
    .replicaStateToJSON(state)
    .replace(/^REPLICA_STATE_/, '')
    .toLowerCase();
}
