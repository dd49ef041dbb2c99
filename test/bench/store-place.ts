import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openEmbeddedStore, openEtcdStore, type MetaStore } from '@bms/metastore';
import { startEtcd, type EtcdProcess } from '@bms/metastore/testkit';
import type { BenchmarkContext } from './benchmark';

/** Where a benchmark's mesh keeps its metadata. */
export interface StorePlace {
  /** For a registry. */
  readonly flags: readonly string[];
  readonly etcd: EtcdProcess | undefined;
  /** For filling it while no registry uses it. */
  open(): Promise<MetaStore>;
}

/** A new and empty one. With etcd, a process that ends with the benchmark. */
export async function storePlace(context: BenchmarkContext): Promise<StorePlace> {
  if (context.store === 'etcd') {
    const etcd = await startEtcd();
    context.atEnd(() => etcd.dispose());
    const { endpoint } = etcd;
    return { etcd, flags: ['--store', `etcd://${endpoint}`], open: () => openEtcdStore({ endpoints: [endpoint] }) };
  }
  const folder = join(context.folder, 'data', 'registry', 'store');
  mkdirSync(folder, { recursive: true });
  return { etcd: undefined, flags: [], open: () => openEmbeddedStore({ folder, program: 'bench' }) };
}
