import { createHash, randomUUID } from 'node:crypto';
import type { MetaStore, Write } from '@bms/metastore';
import { KeyLayout } from '../../services/registry/src/records/keys';
import {
  desiredFormat,
  meshFormat,
  modelFormat,
  versionFormat,
  type DesiredVersionRecord,
  type ModelRecord,
  type VersionRecord,
} from '../../services/registry/src/records/values';

/** What a store is filled with. */
export interface Filling {
  readonly models: number;
  /** Workers that hold the versions, two each. */
  readonly workers: number;
  /** Workers that each version is to be on; what the mesh does by itself, by default. */
  readonly replicas?: number | undefined;
}

export const TENANT = 'default';
export const VERSIONS_PER_MODEL = 2;
/** Version 1 has it in the beginning. */
export const LABEL = 'canary';

const REPLICAS = 2;
const WRITES_PER_TRANSACTION = 100;
const CREATED_AT_MS = Date.UTC(2026, 0, 1);

export function modelName(index: number): string {
  return `model-${String(index).padStart(5, '0')}`;
}

export function workerName(index: number): string {
  return `worker-${String(index).padStart(4, '0')}`;
}

/** Writes published models of two versions each, as the registry does, and gives each version to two workers. */
export async function fillStore(store: MetaStore, filling: Filling, signal: AbortSignal): Promise<void> {
  const { models, workers } = filling;
  const copies = Math.min(filling.replicas ?? REPLICAS, workers);
  const keys = new KeyLayout();
  const mesh = { id: randomUUID(), createdAtMs: CREATED_AT_MS };
  const writes: Write[] = [{ put: keys.mesh(), value: meshFormat.encode(mesh) }];
  const desired = Array.from({ length: workers }, (): DesiredVersionRecord[] => []);
  for (let index = 0; index < models; index++) {
    const model = modelRecord(index);
    writes.push({ put: keys.model(TENANT, model.name), value: modelFormat.encode(model) });
    for (let number = 1; number <= VERSIONS_PER_MODEL; number++) {
      const version = versionRecord(model.name, number, filling.replicas ?? 0);
      writes.push({ put: keys.version(TENANT, model.name, number), value: versionFormat.encode(version) });
      for (let replica = 0; replica < copies; replica++) {
        const place = (index * VERSIONS_PER_MODEL + number + replica * (Math.floor(workers / copies) || 1)) % workers;
        desired[place]?.push({ tenant: TENANT, model: model.name, version: number });
      }
    }
  }
  for (const [index, versions] of desired.entries()) {
    const record = { generation: 1, changedAtMs: CREATED_AT_MS, versions };
    writes.push({ put: keys.desired(workerName(index)), value: desiredFormat.encode(record) });
  }
  for (let at = 0; at < writes.length; at += WRITES_PER_TRANSACTION) {
    await store.commit({ compares: [], writes: writes.slice(at, at + WRITES_PER_TRANSACTION) }, signal);
  }
}

function modelRecord(index: number): ModelRecord {
  return {
    tenant: TENANT,
    name: modelName(index),
    activeVersion: VERSIONS_PER_MODEL,
    labels: { [LABEL]: 1, stable: VERSIONS_PER_MODEL },
    activations: [1, 2].map((version) => ({ version, atMs: CREATED_AT_MS, by: 'bench', kind: 'activate' as const })),
    createdAtMs: CREATED_AT_MS,
    createdBy: 'bench',
    latestVersion: VERSIONS_PER_MODEL,
    recentChanges: [],
  };
}

/** As a classifier of images has it. Every model has a signature, and every version files, and so digests, of its own. */
function versionRecord(model: string, version: number, replicas: number): VersionRecord {
  const digest = (what: string): string => createHash('sha256').update(`${model}@${version} ${what}`).digest('hex');
  const tensor = (name: string, datatype: string, shape: number[]): VersionRecord['signature']['inputs'][number] => ({
    name,
    datatype,
    shape,
    symbols: shape.map((size) => (size < 0 ? 'batch' : '')),
    unranked: false,
  });
  return {
    tenant: TENANT,
    model,
    version,
    state: 'published',
    artifact: {
      digest: digest('artifact'),
      sizeBytes: 8_000_000,
      entry: 'model.onnx',
      files: [
        { path: 'model.onnx', sizeBytes: 7_990_000, sha256: digest('model.onnx') },
        { path: 'warmup.json', sizeBytes: 10_000, sha256: digest('warmup.json') },
      ],
    },
    signature: {
      inputs: [tensor('pixels', 'FP32', [-1, 3, 224, 224])],
      outputs: [tensor('label', 'INT64', [-1]), tensor(`probabilities-of-${model}`, 'FP32', [-1, 1000])],
    },
    config: {
      ...{ replicas, intraOpThreads: 0, graphOptimization: '', device: '', fallback: '', providerOptions: {} },
      ...{ executors: 0, batching: { mode: '', maxRows: 0, preferredRows: [], maxDelayMs: 0, maxQueueMs: 0 } },
    },
    notes: '',
    createdBy: 'bench',
    createdAtMs: CREATED_AT_MS,
    opset: 'ai.onnx 17',
    producer: 'pytorch 2.9',
    requestId: '',
  };
}
