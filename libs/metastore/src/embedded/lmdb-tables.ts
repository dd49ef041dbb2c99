import { randomUUID } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { StartError } from '@bms/lifecycle';
import { open as openLmdb, type Database, type RootDatabase } from 'lmdb';
import { decodeState, encodeState, type StoreState } from './record-codec';

/** The version of this file format. A store with a newer one is left alone. */
const SCHEMA = 1;
/** As etcd: an empty store is at revision 1. */
const FIRST_REVISION = 1n;

/** Where lmdb's first page has its magic number, in the byte order of the machine: no store moves between orders. */
const LMDB_MAGIC_AT = 24;
const LMDB_MAGIC = Buffer.from(Uint32Array.of(0xbeefc0de).buffer);
const LMDB_HEAD_BYTES = LMDB_MAGIC_AT + LMDB_MAGIC.byteLength;

type Table = Database<Buffer, Uint8Array>;

/** The tables of a store's file; `record-codec.ts` says what is in their keys and values. */
export interface LmdbTables {
  readonly root: RootDatabase<Buffer, Uint8Array>;
  /** Facts about the store by name. */
  readonly facts: Table;
  /** The present entries by key. */
  readonly entries: Table;
  /** Changes by revision and place. */
  readonly log: Table;
  /** Granted TTLs in milliseconds by lease. */
  readonly leases: Table;
  /** Which keys go with which lease. */
  readonly leaseMembers: Table;
}

const STATE = Buffer.from('state');
const SCHEMA_FACT = Buffer.from('schema');
const CLUSTER_FACT = Buffer.from('cluster-id');

/** Opens or makes the store's file in a folder that is ours. Throws StartError where it cannot be used. */
export async function openTables(folder: string): Promise<{ tables: LmdbTables; clusterId: string }> {
  const path = join(folder, 'store.mdb');
  await checkFile(path);
  let root: RootDatabase<Buffer, Uint8Array> | undefined;
  try {
    root = openLmdb({
      path,
      noSubdir: true,
      maxDbs: 8,
      encoding: 'binary',
      keyEncoding: 'binary',
      // A commit is synced before it can be seen, so that nobody, watchers included, reads what a crash could take back.
      overlappingSync: false,
    });
    const tables = openEach(root);
    return { tables, clusterId: await checkFacts(tables, path) };
  } catch (error) {
    await root?.close();
    if (error instanceof StartError) throw error;
    throw new StartError(`the store ${path} cannot be opened: ${String(error)}`, { cause: error });
  }
}

function openEach(root: RootDatabase<Buffer, Uint8Array>): LmdbTables {
  const table = (name: string): Table => root.openDB({ name, encoding: 'binary', keyEncoding: 'binary' });
  return {
    root,
    facts: table('facts'),
    entries: table('entries'),
    log: table('log'),
    leases: table('leases'),
    leaseMembers: table('lease-members'),
  };
}

/** lmdb does not look before it reads: a file that is none of its own ends the process by a segmentation fault. */
async function checkFile(path: string): Promise<void> {
  let head: Buffer;
  try {
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(LMDB_HEAD_BYTES), 0, LMDB_HEAD_BYTES, 0);
      head = buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return; // a new store
    throw new StartError(`the store ${path} cannot be opened (${code})`, { cause: error });
  }
  if (head.byteLength === 0 || head.subarray(LMDB_MAGIC_AT).equals(LMDB_MAGIC)) return;
  throw new StartError(`the file ${path} is not a store: move it away, or choose another folder with --data`);
}

async function checkFacts({ root, facts }: LmdbTables, path: string): Promise<string> {
  const schema = facts.get(SCHEMA_FACT);
  if (schema === undefined) {
    const clusterId = randomUUID();
    await root.transaction(() => {
      void facts.put(SCHEMA_FACT, Buffer.from(String(SCHEMA)));
      void facts.put(CLUSTER_FACT, Buffer.from(clusterId));
      const empty = { head: FIRST_REVISION, compactRevision: FIRST_REVISION, logBytes: 0, batch: 0n };
      void facts.put(STATE, encodeState(empty));
    });
    return clusterId;
  }
  if (Number(schema.toString()) > SCHEMA) {
    throw new StartError(
      `the store ${path} was written by a newer BMS (format ${schema.toString()}, this one knows ${SCHEMA}): ` +
        'start that version, or choose another folder with --data',
    );
  }
  const clusterId = facts.get(CLUSTER_FACT)?.toString();
  if (clusterId === undefined || facts.get(STATE) === undefined) {
    throw new StartError(`the store ${path} is damaged: it does not know its own state`);
  }
  return clusterId;
}

/** The state within the transaction, or the snapshot, that is being read. */
export function readState(tables: LmdbTables): StoreState {
  const record = tables.facts.get(STATE);
  if (record === undefined) throw new Error('the store has lost its state');
  return decodeState(record);
}

export function writeState(tables: LmdbTables, state: StoreState): void {
  void tables.facts.put(STATE, encodeState(state));
}
