import { BmsError, meshService, Reason } from '@bms/contracts';
import type { Command } from 'commander';
import type { CliContext } from '../cli-context';
import { doubtText } from '../store/accept';
import { printable, section } from '../table';
import { addVerb } from '../verb';
import { attention } from './status-attention';
import { registryTable, replicaTable, routerTable, versionTable, workerTable } from './status-tables';

type MeshStatus = meshService.GetMeshStatusResponse;

export function addStatusCommand(program: Command, context: CliContext): void {
  addVerb(program, context, {
    usage: 'status',
    summary: 'Show the mesh: its store, registries, routers, workers with what they hold, versions, failed loads',
    group: 'Mesh:',
    examples: ['npx bms status', 'npx bms status --json'],
    configure: (command) =>
      command.addHelpText('after', '\nExit code: 0; 1 where the store is in doubt; 3 where it cannot be used now.'),
    run: async (session) => {
      const { tenant } = session.options;
      const status = await session.client.mesh.getMeshStatus({ tenant }, { signal: session.signal });
      session.print(meshService.GetMeshStatusResponse.toJSON(status), () => statusText(status, tenant, session.now()));
      const { storeStatus } = status;
      if (storeStatus?.doubt !== undefined) throw new BmsError(Reason.STORE_IN_DOUBT, 'the store is in doubt');
      if (storeStatus !== undefined && storeStatus.trouble !== '') {
        throw new BmsError(Reason.STORE_UNAVAILABLE, `the store cannot be used: ${storeStatus.trouble}`);
      }
    },
  });
}

/** What needs a person comes first. */
function statusText(status: MeshStatus, tenant: string, nowMs: number): string {
  const doubt = status.storeStatus?.doubt;
  return [
    ...(doubt === undefined ? [] : [`${doubtText(doubt)}\nNext: npx bms store accept\n`]),
    head(status),
    section('Versions', versionTable(status.versions) || `none is published (tenant ${tenant})`),
    section('Workers', workerTable(status, nowMs) || 'none is attached'),
    section('Replicas', replicaTable(status.workers, nowMs)),
    section('Routers', routerTable(status) || 'none is connected'),
    section('Registries', registryTable(status, nowMs)),
    section('Needs attention', attention(status)),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

/** `mesh 7f…, etcd store at 10.0.0.1:2379, revision 12`. */
function head({ meshId, store, storeStatus, revision }: MeshStatus): string {
  const endpoints = storeStatus?.endpoints ?? [];
  const where = endpoints.length === 0 ? '' : ` at ${endpoints.join(', ')}`;
  const trouble =
    storeStatus === undefined || storeStatus.trouble === '' ? '' : `\nTROUBLE: ${printable(storeStatus.trouble)}`;
  return `mesh ${meshId}, ${store} store${where}, revision ${revision}${trouble}`;
}
