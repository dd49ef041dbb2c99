import { Counter, Gauge, Histogram, type Registry } from '@bms/telemetry';
import type { RunObserved } from './predict.stack';
import type { Servable } from './servables/servable';
import { labelsOf } from './worker-metrics';

const BY_VERSION = ['tenant', 'model', 'version'] as const;
const ROW_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/** The metrics of runs and batches; answers what is to be told of each run. */
export function runMetrics(registry: Registry, servables: () => Iterable<Servable>): (run: RunObserved) => void {
  const registers = [registry];
  const batchRows = new Histogram({
    name: 'bms_worker_batch_rows',
    help: 'Rows of a run, without padding',
    labelNames: BY_VERSION,
    buckets: ROW_BUCKETS,
    registers,
  });
  const counter = (name: string, help: string): Counter =>
    new Counter({ name, help, labelNames: BY_VERSION, registers });
  const busySeconds = counter('bms_worker_executor_busy_seconds_total', 'Time that executors spent in runs');
  const paddingRows = counter('bms_worker_padding_rows_total', 'Rows that were run only to reach a size that is fast');
  const repeats = counter('bms_worker_batch_repeats_total', 'Batches that failed, whose requests ran again one by one');
  registerTuning(registry, servables);
  return ({ servable, rows, paddingRows: padding, runMs, repeated }) => {
    const labels = labelsOf(servable);
    batchRows.observe(labels, rows);
    busySeconds.inc(labels, runMs / 1000);
    if (padding > 0) paddingRows.inc(labels, padding);
    if (repeated) repeats.inc(labels);
  };
}

/** What was found out about each version when it was warmed up. */
function registerTuning(registry: Registry, servables: () => Iterable<Servable>): void {
  const registers = [registry];
  const executors: Gauge = new Gauge({
    name: 'bms_worker_executors',
    help: 'Sessions of a version',
    labelNames: BY_VERSION,
    registers,
    collect: () => {
      executors.reset();
      for (const servable of servables()) executors.set(labelsOf(servable), servable.executors);
    },
  });
  const profile: Gauge = new Gauge({
    name: 'bms_worker_profile_rows_per_second',
    help: 'How fast one executor is by the rows of a run, measured at warm-up',
    labelNames: [...BY_VERSION, 'rows'],
    registers,
    collect: () => {
      profile.reset();
      for (const servable of servables()) {
        for (const { rows, runMs } of servable.batching.profile.points) {
          profile.set({ ...labelsOf(servable), rows: String(rows) }, (rows / runMs) * 1000);
        }
      }
    },
  });
}
