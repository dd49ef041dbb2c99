import { versionId, type models as proto, type routeService, type VersionId } from '@bms/contracts';

/** By worker id; calls that reached no worker are counted under "". */
type TotalsByWorker = ReadonlyMap<string, proto.CallTotals>;
export type TotalsByVersion = ReadonlyMap<VersionId, TotalsByWorker>;

export const NO_CALLS: proto.CallTotals = { answered: 0n, failed: 0n, rejected: 0n };

export function totalsByVersion(totals: routeService.RouterTotals): TotalsByVersion {
  const versions = new Map<VersionId, Map<string, proto.CallTotals>>();
  for (const { ref, workerId, calls } of totals.versions) {
    if (ref === undefined || calls === undefined) continue;
    const id = versionId(ref.tenant, ref.model, ref.version);
    let workers = versions.get(id);
    if (workers === undefined) versions.set(id, (workers = new Map<string, proto.CallTotals>()));
    workers.set(workerId, addCalls(workers.get(workerId) ?? NO_CALLS, calls));
  }
  return versions;
}

export function addTotals(one: TotalsByVersion, other: TotalsByVersion): TotalsByVersion {
  const sum = new Map<VersionId, Map<string, proto.CallTotals>>();
  for (const [id, workers] of one) sum.set(id, new Map<string, proto.CallTotals>(workers));
  for (const [id, workers] of other) {
    const mine = sum.get(id) ?? new Map<string, proto.CallTotals>();
    for (const [worker, calls] of workers) mine.set(worker, addCalls(mine.get(worker) ?? NO_CALLS, calls));
    sum.set(id, mine);
  }
  return sum;
}

export function addCalls(one: proto.CallTotals, other: proto.CallTotals): proto.CallTotals {
  return {
    answered: one.answered + other.answered,
    failed: one.failed + other.failed,
    rejected: one.rejected + other.rejected,
  };
}

/** Of two counts of the same router's same run: they only grow, so what is more is newer. */
export function laterCalls(one: proto.CallTotals, other: proto.CallTotals): proto.CallTotals {
  const more = (a: bigint, b: bigint): bigint => (a > b ? a : b);
  return {
    answered: more(one.answered, other.answered),
    failed: more(one.failed, other.failed),
    rejected: more(one.rejected, other.rejected),
  };
}
