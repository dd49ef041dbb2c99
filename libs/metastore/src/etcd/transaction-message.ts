import { etcd } from '@bms/contracts';
import { keyBytes } from '../key-bytes';
import { LeaseNotFoundError, type Compare, type LeaseId, type Transaction, type Write } from '../meta-store';
import { etcdRange } from './entry-message';

const { CREATE, MOD } = etcd.Compare_CompareTarget;
const { EQUAL, GREATER } = etcd.Compare_CompareResult;

/** A copy: its turn may come later. Throws LeaseNotFoundError for a lease that cannot exist in etcd. */
export function transactionMessage({ compares, writes }: Transaction): etcd.TxnRequest {
  return { compare: compares.map(compareMessage), success: writes.map(writeMessage), failure: [] };
}

function compareMessage(compare: Compare): etcd.Compare {
  const key = keyBytes(compare.key);
  if ('modRevision' in compare) {
    return { key, result: EQUAL, target: MOD, targetUnion: { $case: 'modRevision', value: compare.modRevision } };
  }
  const [result, value] =
    'is' in compare ? [compare.is === 'present' ? GREATER : EQUAL, 0n] : [EQUAL, compare.createRevision];
  return { key, result, target: CREATE, targetUnion: { $case: 'createRevision', value } };
}

function writeMessage(write: Write): etcd.RequestOp {
  if ('put' in write) {
    const { put, value, leaseId = 0n } = write;
    if (leaseId !== 0n && !isEtcdLease(leaseId)) throw new LeaseNotFoundError(leaseId);
    return {
      request: { $case: 'requestPut', value: { key: keyBytes(put), value: Uint8Array.from(value), lease: leaseId } },
    };
  }
  const range = etcdRange('delete' in write ? { key: write.delete } : { prefix: write.deletePrefix });
  return { request: { $case: 'requestDeleteRange', value: range } };
}

/** Whether etcd could have granted it: its ids are positive int64. */
export function isEtcdLease(leaseId: LeaseId): boolean {
  return leaseId > 0n && leaseId < 1n << 63n;
}
