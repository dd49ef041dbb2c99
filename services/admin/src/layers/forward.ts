import { bearer, type ServiceToken } from '@bms/auth';
import { assertNever, CallMetadata } from '@bms/contracts';
import { Metadata } from '@bms/transport';
import type { ManagementCall, ManagementHandler } from '../management-call';
import type { RegistryPool } from '../registry/registry-pool';

/** Has the registry answer a call, or admin itself: the end of the management road. */
export function forward(
  registries: RegistryPool,
  token: ServiceToken,
  own: ReadonlyMap<string, ManagementHandler>,
): ManagementHandler {
  return async (call) => {
    const { answeredBy, path, changes } = call.method;
    switch (answeredBy) {
      case 'registry': {
        const { deadlineMs, signal } = call;
        return registries.unary(
          path,
          call.request,
          { metadata: identityOf(call, token), deadlineMs, signal },
          { changes },
        );
      }
      case 'admin': {
        const handler = own.get(path);
        if (handler === undefined) throw new Error(`admin has no answer for ${path}`);
        return handler(call);
      }
      default:
        return assertNever(answeredBy);
    }
  };
}

/** Admin has decided who may, so it asks in the mesh's own name and says for whom. */
function identityOf({ caller, tenant, requestId }: ManagementCall, token: ServiceToken): Metadata {
  return Metadata.from({
    [CallMetadata.authorization]: bearer(token),
    [CallMetadata.principal]: caller.kind === 'trusted' ? caller.principal : undefined,
    [CallMetadata.tenant]: tenant,
    [CallMetadata.requestId]: requestId,
  });
}
