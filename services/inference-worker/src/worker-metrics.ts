import { models, workerService } from '@bms/contracts';
import { Counter, Gauge, Histogram, LATENCY_BUCKETS_SECONDS, type Registry } from '@bms/telemetry';
import type { PredictionObserved } from './infer.handler';
import type { Servable } from './servables/servable';

/** What is read when somebody asks for the metrics. */
export interface WorkerGauges {
  /** Requests that wait or run, and the bytes of their inputs. */
  readonly queue: () => { readonly depth: number; readonly bytes: number };
  readonly replicas: () => readonly models.ReplicaStatus[];
  readonly memory: () => workerService.Memory;
  readonly device: Pick<workerService.Device, 'provider' | 'name' | 'kind'>;
  /** undefined: it cannot be measured. */
  readonly deviceUse: () => workerService.DeviceUse | undefined;
}

const BY_VERSION = ['tenant', 'model', 'version'] as const;

/** What counts the answered predictions of a version. */
interface Answered {
  readonly requests: { inc(): void };
  readonly queueSeconds: { observe(seconds: number): void };
  readonly computeSeconds: { observe(seconds: number): void };
}

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
    help: 'The run that answered; a run of several requests counts for each of them',
    labelNames: BY_VERSION,
    buckets: LATENCY_BUCKETS_SECONDS,
    registers,
  });
  registerGauges(registry, gauges);
  registerDevice(registry, gauges);
  // Looked up once for each version, not for each request.
  const answeredOf = new WeakMap<Servable, Answered>();
  const answered = (servable: Servable): Answered => {
    const labels = labelsOf(servable);
    const made = {
      requests: requests.labels({ ...labels, outcome: 'answered' }),
      queueSeconds: queueSeconds.labels(labels),
      computeSeconds: computeSeconds.labels(labels),
    };
    answeredOf.set(servable, made);
    return made;
  };
  return ({ servable, outcome, timings }) => {
    if (timings === undefined) {
      requests.inc({ ...labelsOf(servable), outcome });
      return;
    }
    const counted = answeredOf.get(servable) ?? answered(servable);
    counted.requests.inc();
    counted.queueSeconds.observe(timings.queueUs / 1e6);
    counted.computeSeconds.observe(timings.computeUs / 1e6);
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
    help: 'What the device, where that is measured, or the process grew by while the version was loaded',
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

function registerDevice(registry: Registry, { device, deviceUse }: WorkerGauges): void {
  const { provider, name, kind } = device;
  const kindName = kind === workerService.DeviceKind.GPU ? 'gpu' : 'cpu';
  new Gauge({
    name: 'bms_worker_device_info',
    help: 'What the worker runs its models on; always 1',
    labelNames: ['device', 'name', 'kind'],
    registers: [registry],
  }).set({ device: provider, name, kind: kindName }, 1);
  // Nothing is exported where nobody can measure: a zero would read as a full device.
  const measured = (metric: string, help: string, read: (use: workerService.DeviceUse) => number): void => {
    const gauge: Gauge = new Gauge({
      name: metric,
      help,
      labelNames: ['device'],
      registers: [registry],
      collect: () => {
        gauge.reset();
        const use = deviceUse();
        const value = use === undefined ? -1 : read(use);
        if (value >= 0) gauge.set({ device: provider }, value);
      },
    });
  };
  const help = "the device's own memory, whoever uses it";
  measured('bms_worker_device_memory_total_bytes', `All of ${help}`, (use) => Number(use.memoryTotalBytes));
  measured('bms_worker_device_memory_free_bytes', `What is free of ${help}`, (use) => Number(use.memoryFreeBytes));
  measured('bms_worker_device_busy_ratio', 'How busy the device was lately, 0 to 1', (use) => use.busyPercent / 100);
}

/** The labels of a version. */
export function labelsOf({ ref }: Servable): { tenant: string; model: string; version: string } {
  return { tenant: ref.tenant, model: ref.model, version: String(ref.version) };
}

function stateName(state: models.ReplicaState): string {
  return models
    .replicaStateToJSON(state)
    .replace(/^REPLICA_STATE_/, '')
    .toLowerCase();
}
