import { meshService, models } from '@bms/contracts';
import type { Command } from 'commander';
import type { CliContext } from '../cli-context';
import { formatBytes } from '../format-bytes';
import { formatAge, formatCount } from '../format-time';
import { replicaText, stateText } from '../state-words';
import { printable, section, table } from '../table';
import { addVerb } from '../verb';
import { versionName } from '../version-name';

export function addStatusCommand(program: Command, context: CliContext): void {
  addVerb(program, context, {
    usage: 'status',
    summary: 'Show the mesh: workers with what they hold, routers, versions, failed loads',
    group: 'Mesh:',
    examples: ['npx bms status', 'npx bms status --json'],
    run: async (session) => {
      const { tenant } = session.options;
      const status = await session.client.mesh.getMeshStatus({ tenant }, { signal: session.signal });
      session.print(meshService.GetMeshStatusResponse.toJSON(status), () =>
        [
          `mesh ${status.meshId}, ${status.store} store, revision ${status.revision}`,
          section('Versions', versionTable(status.versions) || `none is published (tenant ${tenant})`),
          section('Workers', workerTable(status.workers, session.now()) || 'none is attached'),
          section('Replicas', replicaTable(status.workers, session.now())),
          section('Routers', routerTable(status.routers) || 'none is connected'),
          section('Needs attention', attention(status)),
        ]
          .filter((part) => part !== '')
          .join('\n'),
      );
    },
  });
}

function versionTable(versions: readonly meshService.VersionStatus[]): string {
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

function workerTable(workers: readonly meshService.WorkerStatus[], nowMs: number): string {
  if (workers.length === 0) return '';
  return table(workers, [
    { title: 'WORKER', cell: ({ workerId }) => workerId },
    { title: 'STATE', cell: workerState },
    { title: 'ADDRESS', cell: ({ address }) => address },
    { title: 'PID', cell: ({ pid }) => pid, align: 'right' },
    { title: 'DEVICE', cell: ({ device }) => `${device?.provider ?? '?'}${device?.name ? ` (${device.name})` : ''}` },
    { title: 'FREE', cell: ({ memory }) => formatBytes(memory?.freeBytes ?? 0n), align: 'right' },
    { title: 'OF', cell: ({ memory }) => formatBytes(memory?.totalBytes ?? 0n), align: 'right' },
    { title: 'PROCESS', cell: ({ memory }) => formatBytes(memory?.residentBytes ?? 0n), align: 'right' },
    { title: 'UP', cell: ({ startedAtMs }) => formatAge(startedAtMs, nowMs), align: 'right' },
  ]);
}

function workerState({ attached, draining, desiredGeneration, reachedGeneration }: meshService.WorkerStatus): string {
  if (!attached) return 'lost';
  if (draining) return 'draining';
  return desiredGeneration > reachedGeneration ? 'attached, catching up' : 'attached';
}

function replicaTable(workers: readonly meshService.WorkerStatus[], nowMs: number): string {
  const rows = workers.flatMap(({ workerId, replicas }) => replicas.map((status) => ({ workerId, status })));
  if (rows.length === 0) return '';
  return table(rows, [
    { title: 'VERSION', cell: ({ status }) => versionName(status.ref) },
    { title: 'WORKER', cell: ({ workerId }) => workerId },
    { title: 'STATE', cell: ({ status }) => replicaText(status) },
    { title: 'FOR', cell: ({ status }) => formatAge(status.sinceMs, nowMs), align: 'right' },
    { title: 'MEMORY', cell: ({ status }) => formatBytes(status.memoryBytes), align: 'right' },
  ]);
}

function routerTable(routers: readonly meshService.RouterStatus[]): string {
  if (routers.length === 0) return '';
  return table(routers, [
    { title: 'ROUTER', cell: ({ routerId }) => routerId },
    { title: 'ADDRESS', cell: ({ address }) => address },
    { title: 'PID', cell: ({ pid }) => pid, align: 'right' },
    { title: 'ROUTES BY REVISION', cell: ({ acknowledgedRevision }) => acknowledgedRevision, align: 'right' },
  ]);
}

/** What a person should know: versions that are not as wanted, and loads that failed for a reason that is not said there. */
function attention({ versions, workers }: meshService.GetMeshStatusResponse): string {
  const placement = versions.filter(({ placementNote }) => placementNote !== '');
  const failures = workers.flatMap(({ workerId, replicas }) =>
    replicas.filter(({ state }) => state === models.ReplicaState.FAILED).map((replica) => ({ workerId, ...replica })),
  );
  const isSaid = (ref: models.VersionRef | undefined, reason: string): boolean =>
    placement.some(
      (version) => versionName(version.ref) === versionName(ref) && version.placementNote.includes(reason),
    );
  return [
    ...placement.map(({ ref, placementNote }) => `${versionName(ref)}: ${placementNote}`),
    ...failures
      .filter(({ ref, reason }) => !isSaid(ref, reason))
      .map(({ ref, workerId, reason }) => `${versionName(ref)} cannot be loaded on ${workerId}: ${reason}`),
  ]
    .map(printable)
    .join('\n');
}
