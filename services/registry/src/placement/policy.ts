import type { VersionId, WorkerId } from '@bms/contracts';
import { findVersion, modelOfVersion, numberOfVersion } from '../watch/mesh-snapshot';
import { replicasOf, type Replica } from '../watch/replicas';
import { memoryNeed } from './memory-estimate';
import {
  assess,
  candidatesFor,
  fitOf,
  fits,
  type Assessment,
  type Candidate,
  type PlacementView,
  workerRoom,
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
 *
 * A version that wishes for a device is brought to workers that have it. Where those are too few and its config names a
 * fallback, workers with that device stand in. One more wished device is taken as soon as it has room, also beside enough
 * stand-ins; a stand-in goes only once more than are wanted are ready without it. So a device that comes and goes costs one
 * load each time, and a version never swings between the two.
 */
export function nextAction(view: PlacementView, id: VersionId): PlacementAction {
  const version = findVersion(view.snapshot, modelOfVersion(id), numberOfVersion(id))?.record;
  if (version?.state !== 'published') return leave(view, id, replicasOf(view.snapshot, id));
  const assessment = assess(view, version);
  const action = grow(view, id, assessment) ?? shrink(view, id, assessment);
  if (action !== undefined) return action;
  const { serving, wished, wanted, wishedTarget, retiring, misplaced } = assessment;
  return leave(view, id, [...retiring, ...misplaced], serving.length < wanted || wished.length < wishedTarget);
}

/** One more worker, when too few hold it, or too few with a device that it wishes for. */
function grow(view: PlacementView, id: VersionId, assessment: Assessment): PlacementAction | undefined {
  const { version, serving, wished, absent, retiring, target, wishedTarget } = assessment;
  const comingBack = view.settling ? absent.length : 0;
  const tooFew = serving.length + comingBack < target;
  const tooFewWished = wished.length + comingBack < wishedTarget;
  if (!tooFew && !tooFewWished) return undefined;
  const back = retiring.find(
    (replica) =>
      replica.worker?.draining === false &&
      replica.status?.state !== 'failed' &&
      (tooFew ? fitOf(replica, version) !== 'unfit' : fitOf(replica, version) === 'wished'),
  );
  const worker = back?.workerId ?? bestWorker(view, assessment, tooFew)?.id;
  return worker === undefined ? undefined : { kind: 'assign', version: id, worker };
}

/** One worker less, when more than enough hold it ready. */
function shrink(view: PlacementView, id: VersionId, assessment: Assessment): PlacementAction | undefined {
  const { ready, serving, wished, absent, target, wanted } = assessment;
  // An absent worker's copy goes only when all that are wanted are ready elsewhere: until then it may come back with it.
  const gone = absent[0];
  if (gone !== undefined && ready.length >= wanted) return { kind: 'drop', version: id, worker: gone.workerId };
  if (serving.length <= target || ready.length < target) return undefined;
  const standIns = serving.filter((replica) => !wished.includes(replica));
  // What is on its way up on a wished device is not surplus while another stands in for it.
  const spare = standIns.length > 0 ? standIns : serving;
  const unready = spare.filter((replica) => !ready.includes(replica));
  const surplus = unready.length > 0 ? unready : ready.length > target ? spare : [];
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

/**
 * Of the workers with enough free memory: a wished device before a fallback, another host before the same, then free
 * memory, then fewer versions.
 * @param orFallback whether a fallback will do
 */
function bestWorker(view: PlacementView, { version, serving }: Assessment, orFallback: boolean): Candidate | undefined {
  const need = memoryNeed(view.snapshot, version);
  const all = candidatesFor(view, version).filter((one) => fits(one, need));
  const wished = all.filter(({ fit }) => fit === 'wished');
  const fitting = wished.length === 0 && orFallback ? all : wished;
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
    .map((entry) => workerRoom(view, entry))
    .sort((one, other) => (one.freeBytes ?? 0) - (other.freeBytes ?? 0) || byId(other.id, one.id))[0]?.id;
}

function byId(one: WorkerId, other: WorkerId): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
