import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FolderBlobStore } from '@bms/artifacts';
import { models } from '@bms/contracts';
import type { StartProgress } from '@bms/lifecycle';
import { openEmbeddedStore, type MetaStore } from '@bms/metastore';
import { externalDataModel } from '@bms/onnx-inspect/testkit';
import { systemClock } from '../clock';
import { KeyLayout } from '../records/keys';
import { desiredFormat, modelFormat } from '../records/values';
import { MODEL, RunningRegistry } from '../running-registry.testkit';
import { exportMesh } from './export-mesh';
import { importMesh } from './import-mesh';
import { RECORDS_FILE, type TransferManifest } from './transfer-format';

export const KEYS = new KeyLayout();
const NO_END = new AbortController().signal;
const NOT_CARRIED = /\/(workers|reported|registries)\/|\/(leader|accepted|importing)$/;

/** A mesh that is stopped, and what it takes to move it: folders, stores, export and import. */
export class MovableMesh {
  private readonly open: MetaStore[] = [];
  private made = 0;

  private constructor(
    private readonly root: string,
    /** Its data folder: two models, one with external data, a label, a history, a deleted version, a desired set. */
    readonly data: string,
    readonly meshId: string,
  ) {}

  static async make(): Promise<MovableMesh> {
    const root = mkdtempSync(join(tmpdir(), 'bms-transfer-'));
    const registry = await RunningRegistry.start();
    await registry.push({ notes: 'first', requestId: 'one' });
    await registry.publish(1n);
    const { model, data: weights } = externalDataModel();
    const files = [await registry.upload('model.onnx', model), await registry.upload('weights.bin', weights)];
    await registry.push({ model: 'large', files });
    await registry.push({ requestId: 'gone' });
    await registry.setState(2n, models.VersionState.DELETED);
    const { meshId } = await registry.status();
    await registry.stop();
    const mesh = new MovableMesh(root, join(root, 'mesh'), meshId);
    cpSync(registry.data, mesh.data, { recursive: true });
    await registry.close();
    await mesh.enrich();
    return mesh;
  }

  /** A folder that is not there yet. */
  fresh(name: string): string {
    return join(this.root, `${name}-${this.made++}`);
  }

  async embedded(folder: string): Promise<MetaStore> {
    return this.keep(await openEmbeddedStore({ folder: join(folder, 'registry', 'store') }));
  }

  /** Closed with the others by {@link closeStores}. */
  keep(store: MetaStore): MetaStore {
    this.open.push(store);
    return store;
  }

  async closeStores(): Promise<void> {
    for (const store of this.open.splice(0)) await store.close();
  }

  blobsIn(folder: string): FolderBlobStore {
    return new FolderBlobStore(join(folder, 'registry', 'blobs'));
  }

  /** Exports the embedded store of a data folder, closed again afterwards, or a store that is open. */
  async exported(from = this.data, to = this.fresh('export'), opened?: MetaStore, keys = KEYS): Promise<string> {
    const store = opened ?? (await openEmbeddedStore({ folder: join(from, 'registry', 'store') }));
    const blobs = this.blobsIn(from);
    const options = { store, keys, blobs, folder: to, bmsVersion: '0.1.0', nowMs: 1, onProgress: () => undefined };
    try {
      await exportMesh(options, NO_END);
    } finally {
      if (opened === undefined) await store.close();
    }
    return to;
  }

  async imported(
    folder: string,
    store: MetaStore,
    to: string,
    more: { readonly keys?: KeyLayout; readonly onProgress?: (step: StartProgress) => void } = {},
  ): Promise<TransferManifest> {
    const blobs = this.blobsIn(to);
    const options = { store, keys: KEYS, blobs, folder, clock: systemClock, onProgress: () => undefined, ...more };
    return importMesh(options, NO_END);
  }

  /** All of the original that is carried over. */
  async content(): Promise<Readonly<Record<string, unknown>>> {
    const store = await openEmbeddedStore({ folder: join(this.data, 'registry', 'store') });
    return contentOf(store, KEYS.prefix).finally(() => store.close());
  }

  remove(): void {
    rmSync(this.root, { recursive: true });
  }

  private async enrich(): Promise<void> {
    const store = await openEmbeddedStore({ folder: join(this.data, 'registry', 'store') });
    const key = KEYS.model('default', MODEL);
    const [entry] = (await store.range({ key })).entries;
    if (entry === undefined) throw new Error('the mesh has no model');
    const activations = [{ version: 1, atMs: 5, by: 'ann', kind: 'activate' as const }];
    const model = { ...modelFormat.decode(entry.value, key), activeVersion: 1, labels: { stable: 1 }, activations };
    const desired = { generation: 7, changedAtMs: 5, versions: [{ tenant: 'default', model: MODEL, version: 1 }] };
    const { leaseId } = await store.grantLease(600_000);
    await store.commit({
      compares: [],
      writes: [
        { put: key, value: modelFormat.encode(model) },
        { put: KEYS.desired('w-a'), value: desiredFormat.encode(desired) },
        { put: KEYS.worker('w-a'), value: new Uint8Array([1]), leaseId },
      ],
    });
    await store.close();
  }
}

/** All that is carried over, as text. */
export async function contentOf(store: MetaStore, prefix: string): Promise<Readonly<Record<string, unknown>>> {
  const { entries } = await store.range({ prefix });
  return Object.fromEntries(
    entries
      .filter(({ key }) => !NOT_CARRIED.test(key))
      .map(({ key, value }) => [key.slice(prefix.length), JSON.parse(Buffer.from(value).toString()) as unknown]),
  );
}

/** The blobs of the first model's versions in an export, by their digests. */
export function blobNamesIn(folder: string): readonly string[] {
  const text = readFileSync(join(folder, RECORDS_FILE), 'utf8');
  const line = text.split('\n').find((one) => one.includes(`versions/default/${MODEL}/`)) ?? '';
  return [...line.matchAll(/"sha256":"([0-9a-f]{64})"/g)].map(([, sha256]) => sha256 ?? '');
}
