import { DEFAULT_TENANT, versionId, type VersionId, type WorkerId } from '@bms/contracts';
import type { Revision, WatchEvent } from '@bms/metastore';
import { KeyLayout } from '../records/keys';
import type { ValueFormat } from '../records/value-format';
import {
  desiredFormat,
  modelFormat,
  reportedFormat,
  versionFormat,
  workerFormat,
  type DesiredVersionRecord,
  type ModelRecord,
  type ReplicaRecord,
  type ReplicaStateWord,
  type ReportedRecord,
  type VersionConfigRecord,
  type VersionRecord,
  type WorkerRecord,
} from '../records/values';
import { emptySnapshot, type MeshSnapshot } from './mesh-snapshot';
import { applyEvents, type SnapshotChange } from './snapshot-reducer';

export const MIB = 2 ** 20;
export const keys = new KeyLayout();
export const DEFAULT_CONFIG: VersionConfigRecord = {
  replicas: 0,
  intraOpThreads: 0,
  graphOptimization: '',
  device: '',
  fallback: '',
  providerOptions: {},
  executors: 0,
  batching: { mode: '', maxRows: 0, preferredRows: [], maxDelayMs: 0, maxQueueMs: 0 },
};
/** Of a replica on a worker without a GPU. */
export const RAN_ON_CPU: Pick<ReplicaRecord, 'provider' | 'fellBack'> = { provider: 'cpu', fellBack: false };

/** `model@1` of the default tenant. */
export function version(text: string): VersionId {
  const [model = '', number = ''] = text.split('@');
  return versionId(DEFAULT_TENANT, model, Number(number));
}

export function versionRecord(text: string, fields: Partial<VersionRecord> = {}): VersionRecord {
  const [model = '', number = ''] = text.split('@');
  const sha256 = number.padStart(64, '0');
  return {
    tenant: DEFAULT_TENANT,
    model,
    version: Number(number),
    state: 'published',
    artifact: {
      digest: sha256,
      sizeBytes: MIB,
      entry: 'model.onnx',
      files: [{ path: 'model.onnx', sizeBytes: MIB, sha256 }],
    },
    signature: {
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 4], symbols: ['batch', ''], unranked: false }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 4], symbols: ['batch', ''], unranked: false }],
    },
    config: DEFAULT_CONFIG,
    notes: '',
    createdBy: 'spec',
    createdAtMs: 1,
    opset: 'ai.onnx 17',
    producer: 'spec',
    requestId: '',
    ...fields,
  };
}

export function modelRecord(name: string, fields: Partial<ModelRecord> = {}): ModelRecord {
  return {
    tenant: DEFAULT_TENANT,
    name,
    activeVersion: 0,
    labels: {},
    activations: [],
    createdAtMs: 1,
    createdBy: 'spec',
    latestVersion: 1,
    recentChanges: [],
    ...fields,
  };
}

export function workerRecord(id: string, fields: Partial<WorkerRecord> = {}): WorkerRecord {
  return {
    id,
    incarnation: `${id}-first`,
    attachment: `${id}-stream`,
    registry: 'r1',
    attached: true,
    draining: false,
    address: `${id}:8800`,
    operationsAddress: `${id}:8900`,
    host: `host-of-${id}`,
    pid: 1,
    device: { provider: 'cpu', name: 'a CPU', concurrentRuns: 1, kind: 'cpu', memoryBytes: 0 },
    startedAtMs: 1,
    bmsVersion: '0',
    ...fields,
  };
}

/** A replica in a report: `[version, state]`, or with more. */
export type Reported = readonly [version: string, state: ReplicaStateWord, fields?: Partial<ReplicaRecord>];

/** A mesh's snapshot, built by the events that a store would tell. */
export class MeshBuilder {
  snapshot: MeshSnapshot = emptySnapshot({ id: 'mesh-1', createdAtMs: 1 }, 0n);
  lastChange: SnapshotChange = { models: new Set(), workers: new Set() };
  /** What the workers that report from now on say of their devices; undefined: nothing is measured. */
  deviceUse: ReportedRecord['device'];
  private generation = 0;

  constructor(private readonly models = new Set<string>()) {}

  /** A version, and its model where that is missing. */
  version(text: string, fields: Partial<VersionRecord> = {}): this {
    const record = versionRecord(text, fields);
    if (!this.models.has(record.model)) this.model(record.model);
    return this.put(keys.version(record.tenant, record.model, record.version), versionFormat, record);
  }

  model(name: string, fields: Partial<ModelRecord> = {}): this {
    this.models.add(name);
    return this.put(keys.model(DEFAULT_TENANT, name), modelFormat, modelRecord(name, fields));
  }

  worker(id: string, fields: Partial<WorkerRecord> = {}): this {
    return this.put(keys.worker(id), workerFormat, workerRecord(id, fields));
  }

  /** The worker's lease has run out. */
  gone(id: string): this {
    return this.delete(keys.worker(id)).delete(keys.reported(id));
  }

  /** All that a worker shall hold; with a time, since then on the way out. */
  desired(id: string, ...versions: readonly (string | readonly [version: string, retiredAtMs: number])[]): this {
    const records = versions.map((one): DesiredVersionRecord => {
      const [text, retiredAtMs] = typeof one === 'string' ? [one, undefined] : one;
      const { tenant, model, version: number } = versionRecord(text);
      return { tenant, model, version: number, ...(retiredAtMs === undefined ? {} : { retiredAtMs }) };
    });
    const record = { generation: ++this.generation, changedAtMs: 1, versions: records };
    return this.put(keys.desired(id), desiredFormat, record);
  }

  /** What a worker says: its free memory of 8 GiB, and its replicas. */
  reported(id: string, freeMib: number, ...replicas: readonly Reported[]): this {
    const incarnation = this.snapshot.workers.get(id as WorkerId)?.worker?.record.incarnation ?? `${id}-first`;
    return this.put(keys.reported(id), reportedFormat, {
      incarnation,
      generation: this.generation,
      deviceFailure: '',
      ...(this.deviceUse && { device: this.deviceUse }),
      memory: { totalBytes: 8192 * MIB, freeBytes: freeMib * MIB, residentBytes: 100 * MIB },
      replicas: replicas.map(([text, state, fields]) => {
        const { tenant, model, version: number } = versionRecord(text);
        return {
          tenant,
          model,
          version: number,
          state,
          sinceMs: 1,
          reason: '',
          memoryBytes: 100 * MIB,
          unwarmed: false,
          ...RAN_ON_CPU,
          ...fields,
        };
      }),
    });
  }

  /** Several changes in one revision. */
  together(build: (mesh: MeshBuilder) => void): this {
    const group = new GroupingBuilder(this.models);
    group.snapshot = this.snapshot;
    build(group);
    return this.apply(group.events);
  }

  delete(key: string): this {
    return this.emit({ kind: 'delete', key, modRevision: this.nextRevision });
  }

  protected get nextRevision(): Revision {
    return this.snapshot.revision + 1n;
  }

  protected put<T>(key: string, format: ValueFormat<T>, value: T): this {
    const modRevision = this.nextRevision;
    const entry = { key, value: format.encode(value), createRevision: modRevision, modRevision, leaseId: 0n };
    return this.emit({ kind: 'put', entry });
  }

  protected emit(event: WatchEvent): this {
    return this.apply([event]);
  }

  private apply(events: readonly WatchEvent[]): this {
    const { snapshot, change } = applyEvents(this.snapshot, events, this.nextRevision, keys);
    this.snapshot = snapshot;
    this.lastChange = change;
    return this;
  }
}

class GroupingBuilder extends MeshBuilder {
  readonly events: WatchEvent[] = [];

  protected override emit(event: WatchEvent): this {
    this.events.push(event);
    return this;
  }
}
