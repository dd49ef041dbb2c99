import { BmsError, CallMetadata, parseTenantId, Reason } from '@bms/contracts';
import { requireServiceToken, type ServiceToken } from '@bms/auth';
import { Metadata, type Layer } from '@bms/transport';
import type { InferCall, InferResult } from '../infer-call';

/**
 * Who asks, and for which tenant. Predicting needs no key on a mesh without keys: a caller without credentials is
 * `anonymous` and means the tenant `default` unless it names one. Credentials that are wrong are refused all the
 * same, so that nobody believes to be known. Throws UNAUTHENTICATED, and INVALID_REQUEST for a tenant's name.
 */
export function authenticate(token: ServiceToken): Layer<InferCall, InferResult> {
  return (next) => async (call) => {
    const { authorization, tenant, principal } = call.credentials;
    if (tenant !== undefined) call.progress.tenant = parseTenantId(tenant, CallMetadata.tenant);
    if (authorization !== undefined) {
      checkToken(token, authorization);
      // Only another process of the mesh may speak for somebody.
      call.progress.principal = principal ?? 'service';
    }
    return next(call);
  };
}

function checkToken(token: ServiceToken, authorization: string): void {
  try {
    requireServiceToken(token, Metadata.from({ [CallMetadata.authorization]: authorization }));
  } catch (cause) {
    throw new BmsError(
      Reason.UNAUTHENTICATED,
      'authorization: is not known to this mesh: leave it out, predicting needs none here, or send "Bearer " and the service token',
      { cause },
    );
  }
}
