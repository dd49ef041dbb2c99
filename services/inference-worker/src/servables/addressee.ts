import {
  BmsError,
  CallMetadata,
  DEFAULT_TENANT,
  parseModelName,
  parseTenantId,
  parseVersionNumber,
  versionId,
  type VersionId,
} from '@bms/contracts';
import type { Metadata } from '@bms/transport';
import { replicaGone, type Servable } from './servable';
import type { ServableSet } from './servable-set';

/** Whom a call must mean to be meant for this process. */
export interface OwnIdentity {
  readonly workerId: string;
  readonly incarnation: string;
}

/**
 * The version that a call is for. The router says so in the metadata, with the worker that it means; a call without
 * that, as from grpcurl, names it in its body: no version means the highest that is held here.
 *
 * Throws REPLICA_GONE when the version is not held here, or the call was meant for another process (a reused port, an
 * earlier start); INVALID_REQUEST when names are malformed.
 */
export function addressedServable(
  servables: ServableSet,
  self: OwnIdentity,
  metadata: Metadata,
  model: string,
  version: string,
): Servable {
  checkMeant(self, metadata);
  const resolved = metadata.get(CallMetadata.versionId);
  if (resolved !== undefined) return found(servables.find(resolved as VersionId), resolved);
  const tenant = parseTenantId(metadata.get(CallMetadata.tenant) ?? DEFAULT_TENANT, CallMetadata.tenant);
  const name = parseModelName(model, 'model_name');
  if (version === '') return found(servables.versionsOf(tenant, name)[0], `${tenant}/${name}`);
  if (!/^[0-9]+$/.test(version)) {
    throw BmsError.invalidRequest(
      'model_version',
      `${JSON.stringify(version.slice(0, 100))} is a label, which only the router knows: a worker takes a number, or "" for the highest`,
    );
  }
  const id = versionId(tenant, name, parseVersionNumber(version, 'model_version'));
  return found(servables.find(id), id);
}

function checkMeant(self: OwnIdentity, metadata: Metadata): void {
  const workerId = metadata.get(CallMetadata.workerId);
  const incarnation = metadata.get(CallMetadata.incarnation);
  const meant = (workerId ?? self.workerId) === self.workerId && (incarnation ?? self.incarnation) === self.incarnation;
  if (!meant) throw replicaGone(workerId ?? self.workerId, 'is not this process: it has ended, or was started anew');
}

function found(servable: Servable | undefined, what: string): Servable {
  if (servable !== undefined) return servable;
  throw replicaGone(what, 'is not held ready by this worker');
}
