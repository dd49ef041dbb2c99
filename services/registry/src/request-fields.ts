import {
  BmsError,
  CallMetadata,
  DEFAULT_TENANT,
  parseModelName,
  parseTenantId,
  parseVersionNumber,
  type models as proto,
  type ModelName,
  type TenantId,
  type VersionNumber,
} from '@bms/contracts';
import type { ServerCall } from '@bms/transport';

// What the requests of several methods have in common, checked. All throw INVALID_REQUEST that names the field.

const TIMEOUT_DEFAULT_MS = 30_000;
const TIMEOUT_MAX_MS = 3_600_000;
const PRINCIPAL_MAX_CHARACTERS = 200;

export interface ModelFields {
  readonly tenant: TenantId;
  readonly model: ModelName;
}

export function tenantField(tenant: string, field = 'tenant'): TenantId {
  return tenant === '' ? DEFAULT_TENANT : parseTenantId(tenant, field);
}

export function modelFields({ tenant, model }: { readonly tenant: string; readonly model: string }): ModelFields {
  return { tenant: tenantField(tenant), model: parseModelName(model) };
}

/** The model that a reference names; its version is checked apart, since 0 may have a meaning of its own. */
export function refFields(ref: proto.VersionRef | undefined): ModelFields {
  if (ref === undefined) throw BmsError.invalidRequest('ref', 'is missing: a model and a version are needed');
  return { tenant: tenantField(ref.tenant, 'ref.tenant'), model: parseModelName(ref.model, 'ref.model') };
}

export function versionField(ref: proto.VersionRef | undefined): VersionNumber {
  return parseVersionNumber(ref?.version ?? 0n, 'ref.version');
}

/** 0 means 30 s. */
export function timeoutField(timeoutMs: bigint): number {
  if (timeoutMs === 0n) return TIMEOUT_DEFAULT_MS;
  if (timeoutMs > 0n && timeoutMs <= BigInt(TIMEOUT_MAX_MS)) return Number(timeoutMs);
  throw BmsError.invalidRequest(
    'timeout_ms',
    `${timeoutMs} is not allowed: 1 to ${TIMEOUT_MAX_MS}, or 0 for ${TIMEOUT_DEFAULT_MS}`,
  );
}

/** Who asks, for the record; whoever holds the service token is believed. */
export function principalOf({ metadata }: ServerCall): string {
  const principal = metadata.get(CallMetadata.principal)?.slice(0, PRINCIPAL_MAX_CHARACTERS);
  return principal === undefined || principal === '' ? 'unknown' : principal;
}
