import { modelId, versionId, type ModelId, type VersionId, type WorkerId } from '@bms/contracts';

/** Everything that a mesh keeps lies under its prefix, so that meshes can share one store. */
export const MESH_PREFIX_DEFAULT = '/bms/main/';

/** Digits of a version number in a key: with leading zeros, the order of the bytes is the order of the numbers. */
const VERSION_DIGITS = 16;

/** What a key is about. `other` is what the mirror does not read, such as the keys of requests. */
export type ParsedKey =
  | { readonly kind: 'mesh' }
  | { readonly kind: 'model'; readonly model: ModelId }
  | { readonly kind: 'version'; readonly model: ModelId; readonly version: VersionId; readonly number: number }
  | { readonly kind: 'worker' | 'desired' | 'reported'; readonly worker: WorkerId }
  | { readonly kind: 'registry'; readonly registry: string }
  | { readonly kind: 'leader' }
  | { readonly kind: 'accepted' }
  | { readonly kind: 'other' };

/**
 * All keys of a mesh. Names hold no slash (contracts' `NAME_PATTERN`), so the parts of a key cannot run into each other.
 *
 * | key | value | lives |
 * | --- | --- | --- |
 * | `mesh` | MeshRecord | for good |
 * | `models/TENANT/MODEL` | ModelRecord | for good; written by every change of the model or of one of its versions |
 * | `versions/TENANT/MODEL/NUMBER` | VersionRecord | for good, also when deleted: a number is never given twice |
 * | `requests/TENANT/MODEL/REQUEST` | RequestRecord | for good; which version a RegisterVersion made |
 * | `workers/WORKER` | WorkerRecord | with the worker's lease |
 * | `desired/WORKER` | DesiredRecord | until it is empty and the worker has been gone for long |
 * | `reported/WORKER` | ReportedRecord | with the worker's lease |
 * | `registries/REGISTRY` | RegistryRecord | with the registry's lease |
 * | `leader` | LeaderRecord | with the lease of the registry that leads |
 * | `accepted` | AcceptedRecord | for good; written when a person takes a wiped or restored store as it is |
 * | `importing` | ImportMarker | while an import is under way, and until one that broke off is finished |
 */
export class KeyLayout {
  constructor(readonly prefix: string = MESH_PREFIX_DEFAULT) {}

  /** Who this mesh is. */
  mesh(): string {
    return `${this.prefix}mesh`;
  }

  /** A model: what is active, labels, the history. Its mod revision guards all changes of its versions, too. */
  model(tenant: string, model: string): string {
    return `${this.prefix}models/${tenant}/${model}`;
  }

  /** One version of a model. */
  version(tenant: string, model: string, version: number): string {
    return `${this.versionsOf(tenant, model)}${String(version).padStart(VERSION_DIGITS, '0')}`;
  }

  /** The prefix of all versions of all models. */
  allVersions(): string {
    return `${this.prefix}versions/`;
  }

  /** The prefix of all versions of a model. */
  versionsOf(tenant: string, model: string): string {
    return `${this.allVersions()}${tenant}/${model}/`;
  }

  /** What a RegisterVersion with this request id made. */
  request(tenant: string, model: string, requestId: string): string {
    return `${this.prefix}requests/${tenant}/${model}/${requestId}`;
  }

  /** A worker that is there: while this key exists, its lease lives. */
  worker(worker: string): string {
    return `${this.prefix}workers/${worker}`;
  }

  /** What a worker shall hold. Outlives the worker's lease, so that one that comes back finds its versions. */
  desired(worker: string): string {
    return `${this.prefix}desired/${worker}`;
  }

  /** What a worker says it holds. */
  reported(worker: string): string {
    return `${this.prefix}reported/${worker}`;
  }

  /** A registry that is there: while this key exists, its lease lives. */
  registry(registry: string): string {
    return `${this.prefix}registries/${registry}`;
  }

  /** The prefix of all registries that are there. */
  allRegistries(): string {
    return `${this.prefix}registries/`;
  }

  /** Who decides placement. */
  leader(): string {
    return `${this.prefix}leader`;
  }

  /** Which history of the store the mesh goes by. */
  accepted(): string {
    return `${this.prefix}accepted`;
  }

  /** An import has begun and is not finished. */
  importing(): string {
    return `${this.prefix}importing`;
  }

  parse(key: string): ParsedKey {
    if (!key.startsWith(this.prefix)) return { kind: 'other' };
    const [noun, one = '', two = '', three] = key.slice(this.prefix.length).split('/');
    switch (noun) {
      case 'mesh':
        return { kind: 'mesh' };
      case 'models':
        return { kind: 'model', model: modelId(one, two) };
      case 'versions': {
        const number = Number(three);
        return { kind: 'version', model: modelId(one, two), version: versionId(one, two, number), number };
      }
      case 'workers':
        return { kind: 'worker', worker: one as WorkerId };
      case 'desired':
        return { kind: 'desired', worker: one as WorkerId };
      case 'reported':
        return { kind: 'reported', worker: one as WorkerId };
      case 'registries':
        return { kind: 'registry', registry: one };
      case 'leader':
        return { kind: 'leader' };
      case 'accepted':
        return { kind: 'accepted' };
      default:
        return { kind: 'other' };
    }
  }
}
