import { BmsError, Reason, type meshService } from '@bms/contracts';
import type { Write } from '@bms/metastore';
import type { Clock } from '../clock';
import type { KeyLayout } from '../records/keys';
import { CorruptValueError, NewerStoreError } from '../records/value-format';
import { acceptedFormat, meshFormat, type MeshRecord } from '../records/values';
import { waitUntil } from '../watch/change-source';
import type { StoreMirror } from '../watch/store-mirror';
import type { MeshStore } from './mesh-store';
import { checkFollowable, readMesh, type StoreRead } from './store-read';
import type { StoreDoubt, StoreTrust } from './store-trust';

export interface AcceptStoreOptions {
  readonly store: MeshStore;
  readonly keys: KeyLayout;
  readonly trust: StoreTrust;
  readonly mirror: StoreMirror;
  readonly mesh: MeshRecord;
  readonly clock: Clock;
}

/** How long the answer waits until this registry follows the accepted store. */
const FOLLOWED_BOUND_MS = 5_000;

/** What a person decides about a store in doubt. */
export class StoreAcceptance {
  constructor(private readonly options: AcceptStoreOptions) {}

  /**
   * Takes the store as it is: writes so, for all registries, and who the mesh is where the store is empty. Throws CONFLICT when
   * there is nothing to accept, when what was found is not what the request names, and when the store cannot be followed.
   */
  async accept(request: meshService.AcceptStoreRequest, by: string, signal: AbortSignal): Promise<void> {
    const { store, keys, trust, mirror, mesh, clock } = this.options;
    const { doubt } = trust;
    if (doubt === undefined) throw conflict('the store is not in doubt: there is nothing to accept');
    checkNamed(request, doubt);
    if (doubt.foundMeshId !== undefined && doubt.foundMeshId !== mesh.id) {
      throw conflict(
        `the store holds the mesh ${doubt.foundMeshId}, and this one is ${mesh.id}: another mesh cannot be accepted`,
      );
    }
    const read = await readMesh(store, keys, signal);
    this.requireFollowable(read);
    const modRevision = (key: string): bigint => read.entries.find((entry) => entry.key === key)?.modRevision ?? 0n;
    const value = acceptedFormat.encode({
      epoch: Math.max(doubt.known.epoch, doubt.foundEpoch) + 1,
      clusterId: doubt.found.clusterId,
      revision: String(doubt.found.revision),
      atMs: clock.nowMs(),
      by,
    });
    const writes: Write[] = [{ put: keys.accepted(), value }];
    if (doubt.foundMeshId === undefined) writes.push({ put: keys.mesh(), value: meshFormat.encode(mesh) });
    const compares = [keys.accepted(), keys.mesh()].map((key) => ({ key, modRevision: modRevision(key) }));
    const { succeeded } = await store.raw.commit({ compares, writes }, signal);
    if (!succeeded) throw conflict('the store has changed meanwhile: look at its status again');
    mirror.lookAgain();
    const followed = (): true | undefined => (trust.doubt === undefined ? true : undefined);
    await waitUntil([trust], followed, { clock, signal, boundMs: FOLLOWED_BOUND_MS });
  }

  private requireFollowable(read: StoreRead): void {
    try {
      checkFollowable(read, this.options.mesh, this.options.keys);
    } catch (error) {
      if (error instanceof CorruptValueError || error instanceof NewerStoreError) throw conflict(error.message);
      throw error;
    }
  }
}

function checkNamed({ foundClusterId, foundRevision }: meshService.AcceptStoreRequest, { found }: StoreDoubt): void {
  if (foundClusterId === found.clusterId && foundRevision === found.revision) return;
  throw conflict(
    `the store found is at revision ${found.revision} of cluster ${found.clusterId}, ` +
      `not at ${foundRevision} of ${foundClusterId === '' ? 'none' : foundClusterId}: look at its status again`,
  );
}

function conflict(sentence: string): BmsError {
  return new BmsError(Reason.CONFLICT, sentence);
}
