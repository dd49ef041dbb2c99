import { checkKey, checkPrefix } from './key-bytes';
import { TRANSACTION_BYTES_MAX, TRANSACTION_OPERATIONS_MAX, type Transaction, type Write } from './meta-store';

/**
 * Whether a store may be asked to commit this: the limits of the port, which both implementations check before they send
 * anything. Throws RangeError that names the limit or the key.
 */
export function checkTransaction(transaction: Transaction): void {
  const { compares, writes } = transaction;
  const operations = compares.length + writes.length;
  if (operations > TRANSACTION_OPERATIONS_MAX) {
    throw new RangeError(
      `a transaction has ${operations} operations: at most ${TRANSACTION_OPERATIONS_MAX} are allowed, compares included`,
    );
  }
  for (const compare of compares) checkKey(compare.key);
  for (const write of writes) checkWrite(write);

  const bytes = transactionBytes(transaction);
  if (bytes > TRANSACTION_BYTES_MAX) {
    throw new RangeError(`a transaction has ${bytes} bytes: at most ${TRANSACTION_BYTES_MAX} are allowed`);
  }
  checkEachKeyOnce(writes);
}

function checkWrite(write: Write): void {
  if ('deletePrefix' in write) checkPrefix(write.deletePrefix);
  else checkKey(writtenKey(write));
}

/** The key that a write names, or the prefix. */
export function writtenKey(write: Write): string {
  if ('put' in write) return write.put;
  return 'delete' in write ? write.delete : write.deletePrefix;
}

/** Keys and values; the wire's own overhead fits between the port's limit and etcd's 1.5 MiB. */
function transactionBytes({ compares, writes }: Transaction): number {
  let bytes = 0;
  for (const compare of compares) bytes += Buffer.byteLength(compare.key);
  for (const write of writes)
    bytes += Buffer.byteLength(writtenKey(write)) + ('put' in write ? write.value.byteLength : 0);
  return bytes;
}

/** What a transaction that touches a key twice would mean depends on the store, so none is taken. */
function checkEachKeyOnce(writes: readonly Write[]): void {
  const keys = new Set<string>();
  const prefixes: string[] = [];
  for (const write of writes) {
    const key = writtenKey(write);
    const covering = prefixes.find((prefix) => key.startsWith(prefix));
    const covered = 'deletePrefix' in write ? [...keys].find((earlier) => earlier.startsWith(key)) : undefined;
    const twice = keys.has(key) ? key : covering !== undefined ? key : covered;
    if (twice !== undefined) {
      throw new RangeError(`a transaction writes ${JSON.stringify(twice)} twice: each key at most once is allowed`);
    }
    if ('deletePrefix' in write) prefixes.push(key);
    keys.add(key);
  }
}
