import {
  modelId,
  versionId,
  type Incarnation,
  type ModelId,
  type ModelName,
  type models,
  type routeService,
  type TenantId,
  type VersionId,
  type VersionNumber,
  type WorkerId,
} from '@bms/contracts';

/** A version as requests are routed by it. */
export interface VersionEntry {
  readonly id: VersionId;
  readonly modelId: ModelId;
  readonly tenant: TenantId;
  readonly model: ModelName;
  readonly version: VersionNumber;
  readonly state: models.VersionState;
  readonly signature: models.Signature;
  /** Those that hold it ready and are not draining. */
  readonly readyWorkers: readonly WorkerId[];
  /** For callers, where no worker is ready; may be "". */
  readonly notReadyReason: string;
}

export interface ModelEntry {
  readonly tenant: TenantId;
  readonly name: ModelName;
  /** What an unqualified request reaches. */
  readonly activeVersion: VersionNumber | undefined;
  readonly labels: ReadonlyMap<string, VersionNumber>;
  /** All but the deleted ones, by number, ascending. */
  readonly versions: ReadonlyMap<VersionNumber, VersionEntry>;
  /** What it was made of. */
  readonly route: routeService.ModelRoute;
}

export interface WorkerEntry {
  readonly workerId: WorkerId;
  readonly incarnation: Incarnation;
  /** `host:port`. */
  readonly address: string;
  /** What it was made of. */
  readonly route: routeService.WorkerRoute;
}

/** All that requests are routed by at one revision. Immutable: a change makes a new one, which shares what did not change. */
export class RouteTable {
  private constructor(
    readonly meshId: string,
    /** Which history of the store the revision is of: they only compare within one. */
    readonly epoch: bigint,
    readonly revision: bigint,
    readonly models: ReadonlyMap<ModelId, ModelEntry>,
    readonly workers: ReadonlyMap<WorkerId, WorkerEntry>,
  ) {}

  static of(snapshot: routeService.RouteSnapshot): RouteTable {
    return new RouteTable(
      snapshot.meshId,
      snapshot.epoch,
      snapshot.revision,
      new Map(snapshot.models.map((route) => [modelId(route.tenant, route.model), modelEntry(route)])),
      new Map(snapshot.workers.map((route) => [route.workerId as WorkerId, workerEntry(route)])),
    );
  }

  /** The table after a change. */
  with(delta: routeService.RouteDelta): RouteTable {
    const models = new Map(this.models);
    for (const { tenant, model } of delta.removedModels) models.delete(modelId(tenant, model));
    for (const route of delta.models) models.set(modelId(route.tenant, route.model), modelEntry(route));
    const workers = new Map(this.workers);
    for (const id of delta.removedWorkers) workers.delete(id as WorkerId);
    for (const route of delta.workers) workers.set(route.workerId as WorkerId, workerEntry(route));
    return new RouteTable(this.meshId, this.epoch, delta.revision, models, workers);
  }

  /** The message that {@link RouteTable.of} makes an equal table of. */
  toSnapshot(): routeService.RouteSnapshot {
    return {
      meshId: this.meshId,
      epoch: this.epoch,
      revision: this.revision,
      models: [...this.models.values()].map(({ route }) => route),
      workers: [...this.workers.values()].map(({ route }) => route),
    };
  }

  /** Whether `other` is of an earlier point of the mesh's history. */
  isAfter(other: RouteTable): boolean {
    return this.epoch === other.epoch ? this.revision > other.revision : this.epoch > other.epoch;
  }

  model(tenant: string, name: string): ModelEntry | undefined {
    return this.models.get(modelId(tenant, name));
  }

  /** The entry that stands here for a version of another revision's table. */
  versionLike({ modelId, version }: VersionEntry): VersionEntry | undefined {
    return this.models.get(modelId)?.versions.get(version);
  }
}

function modelEntry(route: routeService.ModelRoute): ModelEntry {
  const byNumber = [...route.versions].sort((one, other) => Number(one.version - other.version));
  return {
    tenant: route.tenant as TenantId,
    name: route.model as ModelName,
    activeVersion: route.activeVersion === 0n ? undefined : numberOf(route.activeVersion),
    labels: new Map(Object.entries(route.labels).map(([label, version]) => [label, numberOf(version)])),
    versions: new Map(byNumber.map((version) => [numberOf(version.version), versionEntry(route, version)])),
    route,
  };
}

function versionEntry({ tenant, model }: routeService.ModelRoute, route: routeService.VersionRoute): VersionEntry {
  return {
    id: versionId(tenant, model, route.version),
    modelId: modelId(tenant, model),
    tenant: tenant as TenantId,
    model: model as ModelName,
    version: numberOf(route.version),
    state: route.state,
    signature: route.signature ?? { inputs: [], outputs: [] },
    readyWorkers: route.readyWorkers as WorkerId[],
    notReadyReason: route.notReadyReason,
  };
}

function workerEntry(route: routeService.WorkerRoute): WorkerEntry {
  return {
    workerId: route.workerId as WorkerId,
    incarnation: route.incarnation as Incarnation,
    address: route.address,
    route,
  };
}

function numberOf(version: bigint): VersionNumber {
  return Number(version) as VersionNumber;
}
