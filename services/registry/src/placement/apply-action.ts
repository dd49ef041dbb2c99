import { versionId, type VersionId } from '@bms/contracts';
import { OutcomeUnknownError, type Compare, type MetaStore, type Revision } from '@bms/metastore';
import type { KeyLayout } from '../records/keys';
import { desiredFormat, type DesiredRecord, type DesiredVersionRecord, type VersionRecord } from '../records/values';
import { findVersion, modelOfVersion, numberOfVersion, type MeshSnapshot } from '../watch/mesh-snapshot';
import type { Leadership } from './leadership';
import type { PlacementAction } from './policy';

export interface ActionContext {
  readonly store: MetaStore;
  readonly keys: KeyLayout;
  readonly leadership: Leadership;
  readonly snapshot: MeshSnapshot;
  readonly nowMs: number;
}

type Change = Exclude<PlacementAction, { kind: 'none' }>;

/**
 * Writes what an action says, if the store still is as the snapshot has it: the worker's desired set and, for an
 * assignment, the version and the worker's being there. Answers the revision, or undefined when something has changed
 * meanwhile and the policy has to look again. Applying twice cannot happen: the first time changes what the second compares.
 */
export async function applyAction(
  context: ActionContext,
  action: Change,
  signal: AbortSignal,
): Promise<Revision | undefined> {
  const { store, keys, leadership, snapshot } = context;
  const stored = snapshot.workers.get(action.worker)?.desired;
  const version = findVersion(snapshot, modelOfVersion(action.version), numberOfVersion(action.version));
  const key = keys.desired(action.worker);
  const compares: Compare[] = [...leadership.fence(), { key, modRevision: stored?.modRevision ?? 0n }];
  if (action.kind === 'assign') {
    if (version === undefined) return undefined;
    const { tenant, model, version: number } = version.record;
    compares.push({ key: keys.version(tenant, model, number), modRevision: version.modRevision });
    compares.push({ key: keys.worker(action.worker), is: 'present' });
  }
  const next = changedSet(stored?.record, action, version?.record, context.nowMs);
  if (next === undefined) return undefined;
  const writes = [{ put: key, value: desiredFormat.encode(next) }];
  try {
    const commit = await store.commit({ compares, writes }, signal);
    return commit.succeeded ? commit.revision : undefined;
  } catch (error) {
    if (error instanceof OutcomeUnknownError) return undefined;
    throw error;
  }
}

/**
 * The desired set after an action; undefined when the action is no change of it. The generation grows where the worker has
 * something to do. A set that did not exist begins with the time: a worker that remembers the generations of a set that
 * was forgotten while it was cut off must not take the new ones for old.
 */
function changedSet(
  present: DesiredRecord | undefined,
  action: Change,
  version: VersionRecord | undefined,
  nowMs: number,
): DesiredRecord | undefined {
  const { generation, versions }: Pick<DesiredRecord, 'generation' | 'versions'> = present ?? {
    generation: nowMs - 1,
    versions: [],
  };
  const same = (changed: DesiredVersionRecord[]): DesiredRecord => ({
    generation,
    changedAtMs: nowMs,
    versions: changed,
  });
  const other = (changed: DesiredVersionRecord[]): DesiredRecord => ({ ...same(changed), generation: generation + 1 });
  const at = versions.findIndex((one) => idOfDesired(one) === action.version);
  const held = versions[at];
  switch (action.kind) {
    case 'assign':
      if (held !== undefined) return same(versions.with(at, serving(held)));
      return version && other([...versions, serving(version)]);
    case 'retire':
      return held && same(versions.with(at, { ...serving(held), retiredAtMs: nowMs }));
    case 'drop':
      return held && other(versions.toSpliced(at, 1));
  }
}

function serving({ tenant, model, version }: DesiredVersionRecord | VersionRecord): DesiredVersionRecord {
  return { tenant, model, version };
}

function idOfDesired({ tenant, model, version }: DesiredVersionRecord): VersionId {
  return versionId(tenant, model, version);
}
