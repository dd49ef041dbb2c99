import type { BenchmarkContext } from '../benchmark';
import { pin, splitProcessors } from '../sides/cpu-pinning';
import { ModelMesh } from '../sides/model-mesh';
import type { LoadGenerator } from './load-generator';
import { alternate } from './measurement';
import type { Workload } from './workload';

const COMPUTE_SECONDS = 'bms_worker_compute_seconds_sum';

/** One executor, and nobody else on its core. */
export interface AloneOnCore {
  /** Part of the time that the executor was in `run()`. */
  readonly busyShare: number;
  /** Requests a second through the router by those without it, the worker pinned to one core; or why it was not measured. */
  readonly routedToDirect: number | string;
}

export interface AloneOptions {
  /** Of one row each time: a batch's run would be counted once a request. */
  readonly model: string;
  readonly file: string;
  readonly workload: Workload;
  readonly rounds: number;
}

/** A mesh of its own, whose worker has one executor: on two cores, router and load generator have the other one. */
export async function aloneOnCore(
  outer: BenchmarkContext,
  load: LoadGenerator,
  { model, file, workload, rounds }: AloneOptions,
): Promise<AloneOnCore> {
  const mesh = await ModelMesh.start(outer, model, file, 1, 'alone');

  await load.saturate(mesh.direct, workload);
  const computed = await mesh.worker.metric(COMPUTE_SECONDS);
  const startedMs = performance.now();
  await load.saturate(mesh.direct, workload);
  const wallSeconds = (performance.now() - startedMs) / 1_000;
  const busyShare = ((await mesh.worker.metric(COMPUTE_SECONDS)) - computed) / wallSeconds;
  const routedToDirect = await pinned(outer, mesh, async () => {
    const sides = [mesh.direct, mesh.routed];
    const measured = await alternate(sides, rounds, (side) => load.saturate(side, workload));
    return (measured.get(mesh.routed)?.perSecond ?? NaN) / (measured.get(mesh.direct)?.perSecond ?? NaN);
  });
  await mesh.stop();
  return { busyShare, routedToDirect };
}

/** Measures with the worker on the last core, and all else on the others. */
async function pinned(
  { say }: BenchmarkContext,
  { routed }: ModelMesh,
  measure: () => Promise<number>,
): Promise<number | string> {
  const split = splitProcessors();
  const whyNot = 'no core can be kept for the worker here';
  if (split === undefined) return whyNot;
  try {
    pin(routed.pids['worker'] as number, [split.last]);
    pin(routed.pids['front'] as number, split.others);
    // Load processes inherit it.
    pin(process.pid, split.others);
  } catch (error) {
    say(`${whyNot}: ${String(error)}`);
    return whyNot;
  }
  try {
    return await measure();
  } finally {
    pin(process.pid, [...split.others, split.last]);
  }
}
