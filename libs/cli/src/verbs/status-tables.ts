import { workerService, type meshService } from '@bms/contracts';
import { formatBytes } from '../format-bytes';
import { formatAge, formatCount } from '../format-time';
import { replicaText, stateText } from '../state-words';
import { table } from '../table';
import { versionName } from '../version-name';

type MeshStatus = meshService.GetMeshStatusResponse;

export function versionTable(versions: readonly meshService.VersionStatus[]): string {
  if (versions.length === 0) return '';
  return table(versions, [
    { title: 'VERSION', cell: ({ ref }) => versionName(ref) },
    { title: 'STATE', cell: ({ state }) => stateText(state) },
    { title: 'ACTIVE', cell: ({ active }) => (active ? 'active' : '') },
    { title: 'LABELS', cell: ({ labels }) => labels.join(', ') },
    { title: 'READY', cell: ({ readyReplicas, wantedReplicas }) => `${readyReplicas} of ${wantedReplicas}` },
    { title: 'ANSWERED', cell: ({ calls }) => formatCount(calls?.answered ?? 0n), align: 'right' },
    { title: 'FAILED', cell: ({ calls }) => formatCount(calls?.failed ?? 0n), align: 'right' },
    { title: 'REFUSED', cell: ({ calls }) => formatCount(calls?.rejected ?? 0n), align: 'right' },
  ]);
}

export function workerTable({ workers, registries }: MeshStatus, nowMs: number): string {
  if (workers.length === 0) return '';
  return table(workers, [
    { title: 'WORKER', cell: ({ workerId }) => workerId },
    { title: 'STATE', cell: workerState },
    { title: 'ADDRESS', cell: ({ address }) => address },
    { title: 'PID', cell: ({ pid }) => pid, align: 'right' },
    { title: 'DEVICE', cell: deviceText },
    { title: 'FREE', cell: ({ memory }) => formatBytes(memory?.freeBytes ?? 0n), align: 'right' },
    { title: 'OF', cell: ({ memory }) => formatBytes(memory?.totalBytes ?? 0n), align: 'right' },
    { title: 'PROCESS', cell: ({ memory }) => formatBytes(memory?.residentBytes ?? 0n), align: 'right' },
    ...(workers.some(({ deviceUse }) => deviceUse !== undefined)
      ? [{ title: 'DEVICE MEMORY AND LOAD', cell: deviceUseText }]
      : []),
    { title: 'UP', cell: ({ startedAtMs }) => formatAge(startedAtMs, nowMs), align: 'right' },
    ...followed<meshService.WorkerStatus>(registries),
  ]);
}

export function replicaTable(workers: readonly meshService.WorkerStatus[], nowMs: number): string {
  const rows = workers.flatMap(({ workerId, replicas, device }) =>
    replicas.map((status) => ({ workerId, status, device: device?.provider ?? '' })),
  );
  if (rows.length === 0) return '';
  const elsewhere = rows.some(({ status, device }) => status.provider !== '' && status.provider !== device);
  return table(rows, [
    { title: 'VERSION', cell: ({ status }) => versionName(status.ref) },
    { title: 'WORKER', cell: ({ workerId }) => workerId },
    { title: 'STATE', cell: ({ status }) => replicaText(status) },
    { title: 'FOR', cell: ({ status }) => formatAge(status.sinceMs, nowMs), align: 'right' },
    { title: 'MEMORY', cell: ({ status }) => formatBytes(status.memoryBytes), align: 'right' },
    ...(elsewhere
      ? [
          {
            title: 'RUNS ON',
            cell: ({ status, device }: (typeof rows)[number]) =>
              `${status.provider}${status.fellBack ? ` (fell back from ${device})` : ''}`,
          },
        ]
      : []),
  ]);
}

export function routerTable({ routers, registries }: MeshStatus): string {
  if (routers.length === 0) return '';
  return table(routers, [
    { title: 'ROUTER', cell: ({ routerId }) => routerId },
    { title: 'ADDRESS', cell: ({ address }) => address },
    { title: 'PID', cell: ({ pid }) => pid, align: 'right' },
    { title: 'ROUTES BY REVISION', cell: ({ acknowledgedRevision }) => acknowledgedRevision, align: 'right' },
    ...followed<meshService.RouterStatus>(registries),
  ]);
}

export function registryTable({ registries, revision }: MeshStatus, nowMs: number): string {
  if (registries.length === 0) return '';
  return table(registries, [
    { title: 'REGISTRY', cell: ({ registryId }) => registryId },
    { title: 'STATE', cell: ({ reachable }) => (reachable ? 'reachable' : 'not reachable') },
    { title: 'ROLE', cell: ({ leader }) => (leader ? 'leader' : '') },
    { title: 'ADDRESS', cell: ({ address }) => address },
    { title: 'PID', cell: ({ pid }) => pid, align: 'right' },
    { title: 'REVISION', cell: (registry) => registry.revision, align: 'right' },
    { title: 'BEHIND', cell: (registry) => lag(registry, revision), align: 'right' },
    { title: 'UP', cell: ({ startedAtMs }) => formatAge(startedAtMs, nowMs), align: 'right' },
  ]);
}

/** By how many revisions a registry is behind the one that answers; nothing is known of one that cannot be reached. */
function lag(registry: meshService.RegistryStatus, revision: bigint): string {
  if (!registry.reachable) return '?';
  return registry.revision >= revision ? '' : formatCount(revision - registry.revision);
}

/** Which registry something follows, where there is a choice. */
function followed<Row extends { readonly registryId: string }>(registries: readonly unknown[]) {
  return registries.length > 1 ? [{ title: 'REGISTRY', cell: ({ registryId }: Row) => registryId }] : [];
}

function workerState(worker: meshService.WorkerStatus): string {
  if (!worker.attached) return 'lost';
  if (worker.deviceFailure !== '') return 'device failed';
  if (worker.draining) return 'draining';
  return worker.desiredGeneration > worker.reachedGeneration ? 'attached, catching up' : 'attached';
}

/** `cuda:0 (NVIDIA H100, GPU, 80 GiB)`. */
function deviceText({ device }: meshService.WorkerStatus): string {
  if (device === undefined) return '?';
  const isGpu = device.kind === workerService.DeviceKind.GPU;
  const facts = [
    device.name,
    isGpu ? 'GPU' : '',
    device.memoryBytes > 0n ? formatBytes(device.memoryBytes) : '',
  ].filter((fact) => fact !== '');
  return `${device.provider}${facts.length === 0 ? '' : ` (${facts.join(', ')})`}`;
}

/** `12.1 GiB of 80 GiB free, 40% busy`. */
function deviceUseText({ deviceUse }: meshService.WorkerStatus): string {
  if (deviceUse === undefined) return '';
  const { memoryFreeBytes, memoryTotalBytes, busyPercent } = deviceUse;
  const busy = busyPercent < 0 ? '' : `, ${busyPercent}% busy`;
  return `${formatBytes(memoryFreeBytes)} of ${formatBytes(memoryTotalBytes)} free${busy}`;
}
