import type { VersionId, WorkerId } from '@bms/contracts';
import { findVersion, modelOfVersion, numberOfVersion } from '../watch/mesh-snapshot';
import { replicasOf, type Replica } from '../watch/replicas';
import { memoryNeed } from './memory-estimate';
import {
  assess,
  candidate,
  candidatesFor,
  fits,
  type Assessment,
  type Candidate,
  type PlacementView,
} from './placement-view';

/**
 * What to do next about one version:
 * - `assign`: put it into the worker's desired set, or take back its retirement there
 * - `retire`: take it out of the routes there; the worker goes on holding it
 * - `drop`: take it out of the worker's desired set
 * - `none`: all is as it should be or as it can be. `short`: fewer workers than wanted can hold it now; `recheckAtMs`: it waits
 *   for the routers, at most until then
 */
export type PlacementAction =
  | { readonly kind: 'assign' | 'retire' | 'drop'; readonly version: VersionId; readonly worker: WorkerId }
  | { readonly kind: 'none'; readonly short: boolean; readonly recheckAtMs?: number };

/** How long a retired version waits for the routers before it is dropped all the same. */
export const RETIRE_BOUND_MS = 5_000;
/** Workers whose free memory is within this share of the most are as good as each other: the one with fewer versions is taken. */
const ALIKE = 0.9;

/**
 * The one next action for a version, from what is desired and what is so. Pure and idempotent: applied again and again, each
 * time on what has become of it, it comes to `none`. A published version is brought to as many workers as it wants, or as
 * there are; one that is not leaves all of them. Nothing is taken from a worker before as many as wanted are ready elsewhere.
 */
export function nextAction(view: PlacementView, id: VersionId): PlacementAction {
  const version = findVersion(view.snapshot, modelOfVersion(id), numberOfVersion(id))?.record;
  if (version?.state !== 'published') return leave(view, id, replicasOf(view.snapshot, id));
  const assessment = assess(view, version);
  const action = grow(view, id, assessment) ?? shrink(view, id, assessment);
  if (action !== undefined) return action;
  return leave(view, id, assessment.retiring, assessment.serving.length < assessment.wanted);
}

/** One more worker, when too few hold it. */
function grow(view: PlacementView, id: VersionId, assessment: Assessment): PlacementAction | undefined {
  const { serving, absent, retiring, target } = assessment;
  const expected = serving.length + (view.settling ? absent.length : 0);
  if (expected >= target) return undefined;
  const back = retiring.find(({ worker, status }) => worker?.draining === false && status?.state !== 'failed');
  const worker = back?.workerId ?? bestWorker(view, assessment)?.id;
  return worker === undefined ? undefined : { kind: 'assign', version: id, worker };
}

/** One worker less, when more than enough hold it ready. */
function shrink(view: PlacementView, id: VersionId, assessment: Assessment): PlacementAction | undefined {
  const { ready, serving, absent, target, wanted } = assessment;
  // An absent worker's copy goes only when all that are wanted are ready elsewhere: until then it may come back with it.
  const gone = absent[0];
  if (gone !== undefined && ready.length >= wanted) return { kind: 'drop', version: id, worker: gone.workerId };
  if (serving.length <= target || ready.length < target) return undefined;
  const unready = serving.filter((replica) => !ready.includes(replica));
  const surplus = unready.length > 0 ? unready : ready.length > target ? ready : [];
  const worker = worstWorker(view, surplus);
  return worker === undefined ? undefined : { kind: 'retire', version: id, worker };
}

/** A step on the way out: first out of the routes, then, once the routers know, out of the desired set. */
function leave(view: PlacementView, id: VersionId, replicas: readonly Replica[], short = false): PlacementAction {
  const desired = replicas.filter((replica) => replica.desired !== 'none');
  const serving = desired.find((replica) => replica.desired === 'serving' && replica.worker !== undefined);
  if (serving !== undefined) return { kind: 'retire', version: id, worker: serving.workerId };
  let recheckAtMs: number | undefined;
  for (const { workerId, worker } of desired) {
    const entry = view.snapshot.workers.get(workerId);
    const dueAtMs = (entry?.desiredVersions.get(id)?.retiredAtMs ?? 0) + RETIRE_BOUND_MS;
    const acknowledged = view.acknowledgedRevision >= (entry?.desired?.modRevision ?? 0n);
    const unroutable = worker === undefined || acknowledged || view.nowMs >= dueAtMs;
    if (unroutable) return { kind: 'drop', version: id, worker: workerId };
    recheckAtMs = Math.min(recheckAtMs ?? dueAtMs, dueAtMs);
  }
  return { kind: 'none', short, ...(recheckAtMs === undefined ? {} : { recheckAtMs }) };
}

/** Of the workers with enough free memory: another host before the same, then free memory, then fewer versions. */
function bestWorker(view: PlacementView, { version, serving }: Assessment): Candidate | undefined {
  const need = memoryNeed(view.snapshot, version);
  const fitting = candidatesFor(view, version).filter((one) => fits(one, need));
  const onHost = (host: string): number => serving.filter(({ worker }) => worker?.host === host).length;
  const fewestOnHost = Math.min(...fitting.map(({ host }) => onHost(host)));
  const spread = fitting.filter(({ host }) => onHost(host) === fewestOnHost);
  const mostFree = Math.max(...spread.map(({ freeBytes }) => freeBytes ?? 0));
  return spread
    .filter(({ freeBytes }) => (freeBytes ?? 0) >= mostFree * ALIKE)
    .sort((one, other) => one.versions - other.versions || byId(one.id, other.id))[0];
}

/** Of several that can be spared, the one on the fullest worker. */
function worstWorker(view: PlacementView, replicas: readonly Replica[]): WorkerId | undefined {
  return replicas
    .flatMap(({ workerId }) => view.snapshot.workers.get(workerId) ?? [])
    .map((entry) => candidate(view, entry))
    .sort((one, other) => (one.freeBytes ?? 0) - (other.freeBytes ?? 0) || byId(other.id, one.id))[0]?.id;
}

function byId(one: WorkerId, other: WorkerId): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
