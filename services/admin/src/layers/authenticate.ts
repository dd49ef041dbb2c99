import { requireServiceToken, type ServiceToken } from '@bms/auth';
import { CallMetadata } from '@bms/contracts';
import type { Caller, ManagementCall, ManagementLayer } from '../management-call';

/**
 * Learns who calls: nobody in particular, or a holder of the service token. A wrong token is UNAUTHENTICATED even where none
 * is needed: whoever sends one means to be known.
 */
export function authenticate(token: ServiceToken): ManagementLayer {
  return (next) => async (call) => next({ ...call, caller: callerOf(call, token) });
}

function callerOf({ metadata }: ManagementCall, token: ServiceToken): Caller {
  if (metadata.get(CallMetadata.authorization) === undefined) return { kind: 'anonymous' };
  requireServiceToken(token, metadata);
  return { kind: 'trusted', principal: metadata.get(CallMetadata.principal) ?? 'unknown' };
}
