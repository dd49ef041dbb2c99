import { randomUUID } from 'node:crypto';
import { CallMetadata } from '@bms/contracts';
import type { Bytes, Codec, Metadata, Route, Routes } from '@bms/transport';
import type { ManagementCall, ManagementHandler } from './management-call';
import { MANAGEMENT_METHODS, type ManagementMethod } from './management-method';
import { decodeFields } from './request-fields';

/** The gRPC edge of the management API: every method, as a route that takes the management road. */
export function managementRoutes(road: ManagementHandler): Routes {
  return new Map(MANAGEMENT_METHODS.map((method) => [method.path, routeOf(method, road)]));
}

function routeOf(method: ManagementMethod, road: ManagementHandler): Route {
  return {
    kind: 'unary',
    handle: async (request, { metadata, deadlineMs, signal, peer }) =>
      road(managementCall(method, request, { metadata, deadlineMs, signal, peer, via: 'grpc' })),
  };
}

/** The call as it enters the road. Throws INVALID_REQUEST where the bytes are no message of the method's type. */
export function managementCall(
  method: ManagementMethod,
  request: Bytes,
  edge: Pick<ManagementCall, 'metadata' | 'deadlineMs' | 'signal' | 'peer' | 'via'>,
): ManagementCall {
  return {
    method,
    request,
    fields: decodeFields(method.definition.requestType as Codec<unknown>, request),
    requestId: requestIdOf(edge.metadata),
    caller: { kind: 'unidentified' },
    tenant: '',
    ...edge,
  };
}

/** The caller's name for its request where it is fit for a log, else one of ours. */
function requestIdOf(metadata: Metadata): string {
  const given = metadata.get(CallMetadata.requestId);
  return given !== undefined && /^[\x21-\x7e]{1,128}$/.test(given) ? given : randomUUID();
}
