import { BmsError, models, versionId } from '@bms/contracts';
import type { Bytes, Codec } from '@bms/transport';
import type { ManagementCall, RequestFields } from './management-call';

// Management requests name what they are about in the same way: `tenant` and `model`, or a VersionRef in `ref`.

/** The tenant that a request names; "" where it leaves it to the caller's. */
export function tenantOf(fields: RequestFields): string {
  return text(refOf(fields)?.tenant ?? fields['tenant']);
}

/** The same request with its tenant filled in. */
export function withTenant(
  { fields, method }: Pick<ManagementCall, 'fields' | 'method'>,
  tenant: string,
): { readonly fields: RequestFields; readonly request: Bytes } {
  const ref = refOf(fields);
  const filled =
    ref !== undefined ? { ...fields, ref: { ...ref, tenant } } : 'tenant' in fields ? { ...fields, tenant } : fields;
  const codec = method.definition.requestType as Codec<unknown>;
  return { fields: filled, request: codec.encode(filled).finish() };
}

/** What a request is about and what it wants, for the audit trail: `default/digits@2 state=offline force`. */
export function subjectOf(fields: RequestFields): string {
  const { foundClusterId, foundRevision } = fields;
  if (typeof foundClusterId === 'string') return `store ${foundClusterId} at revision ${String(foundRevision)}`;
  const ref = refOf(fields);
  const model = ref?.model ?? text(fields['model']);
  const version = ref?.version ?? 0n;
  const name = version > 0n ? versionId(tenantOf(fields), model, version) : `${tenantOf(fields)}/${model}`;
  return [name, ...detailsOf(fields)].join(' ');
}

function detailsOf(fields: RequestFields): readonly string[] {
  const details: string[] = [];
  const { state, label, toVersion, force } = fields;
  if (typeof state === 'number') details.push(`state=${stateName(state)}`);
  if (typeof label === 'string' && label !== '') details.push(`label=${label}`);
  if (typeof toVersion === 'bigint' && toVersion > 0n) details.push(`to=${toVersion}`);
  if (force === true) details.push('force');
  return details;
}

function stateName(state: number): string {
  return models.VersionState[state]?.toLowerCase() ?? String(state);
}

function refOf(fields: RequestFields): models.VersionRef | undefined {
  return fields['ref'] as models.VersionRef | undefined;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Decodes a request. Throws INVALID_REQUEST where the bytes are no message of its type. */
export function decodeFields(codec: Codec<unknown>, request: Bytes): RequestFields {
  try {
    return codec.decode(request) as RequestFields;
  } catch {
    throw BmsError.invalidRequest(
      'message',
      `is not a valid protobuf message of its type (${request.byteLength} bytes)`,
    );
  }
}
