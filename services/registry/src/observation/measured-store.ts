import type { MetaStore } from '@bms/metastore';

/** A store whose commits are timed; all else goes through. `observe` is given seconds, also of commits that failed. */
export function measuredStore(store: MetaStore, nowMs: () => number, observe: (seconds: number) => void): MetaStore {
  return {
    kind: store.kind,
    clusterId: store.clusterId,
    endpoints: store.endpoints,
    trouble: () => store.trouble(),
    range: (range, options) => store.range(range, options),
    commit: async (transaction, signal) => {
      const startMs = nowMs();
      try {
        return await store.commit(transaction, signal);
      } finally {
        observe((nowMs() - startMs) / 1000);
      }
    },
    watch: (range, fromRevision, signal) => store.watch(range, fromRevision, signal),
    grantLease: (ttlMs, signal) => store.grantLease(ttlMs, signal),
    holdLease: (leaseId, signal) => store.holdLease(leaseId, signal),
    revokeLease: (leaseId, signal) => store.revokeLease(leaseId, signal),
    compact: (revision, signal) => store.compact(revision, signal),
    close: () => store.close(),
  };
}
