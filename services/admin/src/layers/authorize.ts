import { requireServiceToken, type ServiceToken } from '@bms/auth';
import { assertNever, BmsError, CallMetadata, DEFAULT_TENANT, parseTenantId, Reason } from '@bms/contracts';
import type { ManagementCall, ManagementLayer } from '../management-call';
import { tenantOf, withTenant } from '../request-fields';

/**
 * Reading is open to whoever reaches admin, changing needs the token. A call concerns one tenant: the one its request names, else
 * the caller's; the two must not differ.
 */
export function authorize(token: ServiceToken): ManagementLayer {
  return (next) => async (call) => {
    requirePermission(call, token);
    return next(forOneTenant(call));
  };
}

function requirePermission(call: ManagementCall, token: ServiceToken): void {
  switch (call.caller.kind) {
    case 'trusted':
      return;
    case 'anonymous':
      if (call.method.changes) requireServiceToken(token, call.metadata); // throws: there is none
      return;
    case 'unidentified':
      throw new Error('authorize comes after authenticate');
    default:
      assertNever(call.caller);
  }
}

function forOneTenant(call: ManagementCall): ManagementCall {
  const given = call.metadata.get(CallMetadata.tenant);
  const own = given === undefined || given === '' ? undefined : parseTenantId(given, `metadata ${CallMetadata.tenant}`);
  const named = tenantOf(call.fields);
  if (own !== undefined && named !== '' && named !== own) {
    throw new BmsError(
      Reason.PERMISSION_DENIED,
      `tenant: the call comes from tenant ${JSON.stringify(own)} and names ${JSON.stringify(named)}: it may only name its own`,
    );
  }
  if (named !== '') return { ...call, tenant: parseTenantId(named) };
  const tenant = own ?? DEFAULT_TENANT;
  return { ...call, tenant, ...withTenant(call, tenant) };
}
