import { models, type meshService } from '@bms/contracts';
import { printable } from '../table';
import { versionName } from '../version-name';

/**
 * What a person should know: registries that cannot be reached, devices that failed, versions that are not as wanted or run
 * elsewhere than on the worker's device, and loads that failed for a reason that is not said there.
 */
export function attention(status: meshService.GetMeshStatusResponse): string {
  const { registries, workers, versions } = status;
  const placement = versions.filter(({ placementNote }) => placementNote !== '');
  return [
    ...registries
      .filter(({ reachable }) => !reachable)
      .map(({ registryId, address }) => `registry ${registryId} at ${address} cannot be reached`),
    ...(registries.length > 0 && !registries.some(({ leader }) => leader)
      ? ['no registry leads: nothing is placed until one does']
      : []),
    ...workers
      .filter(({ deviceFailure }) => deviceFailure !== '')
      .map(
        ({ workerId, device, deviceFailure }) =>
          `${device?.provider ?? 'device'} of ${workerId} failed: ${deviceFailure}`,
      ),
    ...placement.map(({ ref, placementNote }) => `${versionName(ref)}: ${placementNote}`),
    ...failedLoads(workers, placement),
    ...fallbacks(workers),
  ]
    .map(printable)
    .join('\n');
}

function failedLoads(
  workers: readonly meshService.WorkerStatus[],
  placement: readonly meshService.VersionStatus[],
): readonly string[] {
  const isSaid = (ref: models.VersionRef | undefined, reason: string): boolean =>
    placement.some((one) => versionName(one.ref) === versionName(ref) && one.placementNote.includes(reason));
  return workers.flatMap(({ workerId, replicas }) =>
    replicas
      .filter(({ state, ref, reason }) => state === models.ReplicaState.FAILED && !isSaid(ref, reason))
      .map(({ ref, reason }) => `${versionName(ref)} cannot be loaded on ${workerId}: ${reason}`),
  );
}

function fallbacks(workers: readonly meshService.WorkerStatus[]): readonly string[] {
  return workers.flatMap(({ workerId, device, replicas }) =>
    replicas
      .filter(({ fellBack }) => fellBack)
      .map(
        ({ ref, provider }) =>
          `${versionName(ref)} runs on ${provider} at ${workerId}: ${device?.provider ?? 'its device'} cannot run it, and the version allows that`,
      ),
  );
}
