import { modelOfVersion, numberOfVersion, type MeshSnapshot } from './watch/mesh-snapshot';
import type { meshService, models } from '@bms/contracts';
import type { Leadership } from './placement/leadership';
import type { Peers } from './peers/peer-directory';
import type { RegistryRecord } from './records/values';
import type { MeshStore } from './store/mesh-store';
import type { StoreTrust } from './store/store-trust';

export interface ControlPlaneStatusOptions {
  readonly registryId: string;
  readonly peers: Peers;
  readonly leadership: Leadership;
  readonly store: MeshStore;
  readonly trust: StoreTrust;
}

/** The registries whose lease lives, as this one sees them. */
export function registryStatuses(
  snapshot: MeshSnapshot,
  { registryId, peers, leadership }: ControlPlaneStatusOptions,
): meshService.RegistryStatus[] {
  const others = new Map(peers.list().map((peer) => [peer.record.id, peer]));
  const status = (record: RegistryRecord): meshService.RegistryStatus => {
    const own = record.id === registryId;
    const peer = others.get(record.id);
    return {
      registryId: record.id,
      incarnation: record.incarnation,
      address: record.address,
      operationsAddress: record.operationsAddress,
      host: record.host,
      pid: BigInt(record.pid),
      leader: own ? leadership.leads() : snapshot.leader?.record.registry === record.id,
      reachable: own || peer?.reachable === true,
      revision: own ? snapshot.revision : (peer?.state?.revision ?? 0n),
      startedAtMs: BigInt(record.startedAtMs),
      bmsVersion: record.bmsVersion,
    };
  };
  return [...snapshot.registries.values()]
    .map(({ record }) => record)
    .sort((one, other) => (one.id < other.id ? -1 : 1))
    .map(status);
}

export function storeStatus(
  snapshot: MeshSnapshot,
  { store, trust }: ControlPlaneStatusOptions,
): meshService.StoreStatus {
  const { doubt } = trust;
  return {
    kind: store.kind,
    clusterId: store.clusterId,
    revision: doubt?.found.revision ?? snapshot.revision,
    endpoints: [...store.endpoints],
    trouble: store.trouble() ?? '',
    doubt: doubt && {
      reason: doubt.reason,
      knownClusterId: doubt.known.clusterId,
      knownRevision: doubt.known.revision,
      foundClusterId: doubt.found.clusterId,
      foundRevision: doubt.found.revision,
      sinceMs: BigInt(doubt.sinceMs),
      missingVersions: doubt.missingVersions.map((id): models.VersionRef => {
        const [tenant = '', model = ''] = modelOfVersion(id).split('/');
        return { tenant, model, version: BigInt(numberOfVersion(id)) };
      }),
    },
  };
}
