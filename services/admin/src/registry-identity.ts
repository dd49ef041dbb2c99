import { bearer, type ServiceToken } from '@bms/auth';
import { CallMetadata } from '@bms/contracts';
import { Metadata } from '@bms/transport';
import type { ManagementCall } from './management-call';

/** Admin has decided who may, so it asks the registry in the mesh's own name and says for whom. */
export function registryIdentity({ caller, tenant, requestId }: ManagementCall, token: ServiceToken): Metadata {
  return Metadata.from({
    [CallMetadata.authorization]: bearer(token),
    [CallMetadata.principal]: caller.kind === 'trusted' ? caller.principal : undefined,
    [CallMetadata.tenant]: tenant,
    [CallMetadata.requestId]: requestId,
  });
}
