import type { ServiceToken } from '@bms/auth';
import { assertNever } from '@bms/contracts';
import type { ManagementHandler } from '../management-call';
import type { RegistryPool } from '../registry/registry-pool';
import { registryIdentity } from '../registry-identity';

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
          { metadata: registryIdentity(call, token), deadlineMs, signal },
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
