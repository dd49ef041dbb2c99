import { models, routeService } from '@bms/contracts';

const { PUBLISHED } = models.VersionState;

export interface VersionWish {
  readonly version: number;
  readonly state?: models.VersionState;
  readonly ready?: readonly string[];
  readonly reason?: string;
}

export const digitsSignature = models.Signature.create({
  inputs: [{ name: 'pixels', datatype: 'FP32', shape: [-1n, 2n], symbols: ['batch', ''] }],
  outputs: [{ name: 'sums', datatype: 'FP32', shape: [-1n], symbols: ['batch'] }],
});

/** A model's route, of tenant `default` unless told otherwise; its versions are published unless told otherwise. */
export function modelRoute(
  model: string,
  versions: readonly VersionWish[],
  more: { readonly active?: number; readonly labels?: Readonly<Record<string, number>>; readonly tenant?: string } = {},
): routeService.ModelRoute {
  return routeService.ModelRoute.create({
    tenant: more.tenant ?? 'default',
    model,
    activeVersion: BigInt(more.active ?? 0),
    labels: Object.fromEntries(Object.entries(more.labels ?? {}).map(([label, version]) => [label, BigInt(version)])),
    versions: versions.map(({ version, state, ready, reason }) => ({
      version: BigInt(version),
      state: state ?? PUBLISHED,
      signature: digitsSignature,
      readyWorkers: [...(ready ?? [])],
      notReadyReason: reason ?? '',
    })),
  });
}

export function workerRoute(
  workerId: string,
  address = `${workerId}:1`,
  incarnation = `${workerId}-1`,
): routeService.WorkerRoute {
  return { workerId, incarnation, address, provider: 'cpu' };
}

export function routeSnapshot(
  revision: number,
  modelRoutes: readonly routeService.ModelRoute[],
  workers: readonly routeService.WorkerRoute[],
  meshId = 'mesh-1',
  epoch = 0n,
): routeService.RouteSnapshot {
  return { meshId, epoch, revision: BigInt(revision), models: [...modelRoutes], workers: [...workers] };
}
