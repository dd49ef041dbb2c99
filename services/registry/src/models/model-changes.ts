import { BmsError, Reason, versionId } from '@bms/contracts';
import type { ModelRecord, VersionRecord, VersionStateWord } from '../records/values';
import { remember, waysBack } from './activation-history';
import { decideTransition } from './lifecycle';

// The decisions of the model catalog. Each is pure: it looks at records as one read of the store gave them, and answers
// with the records to write, with nothing to write, or throws the refusal.

export interface ModelState {
  readonly model: ModelRecord;
  /** Those that were asked for, by number. */
  readonly versions: ReadonlyMap<number, VersionRecord>;
}

/** Undefined fields stay as they are in the store; no field at all: nothing changes. */
export interface ModelChange {
  readonly model?: ModelRecord;
  readonly version?: VersionRecord;
}

export interface Author {
  readonly by: string;
  readonly atMs: number;
}

/** What a new version is, apart from its number. */
export type VersionDraft = Omit<VersionRecord, 'version' | 'state' | 'createdBy' | 'createdAtMs'>;

/** How many labels a model may have. */
export const LABELS_MAX = 100;

export function addVersion(
  model: ModelRecord | undefined,
  draft: VersionDraft,
  { by, atMs }: Author,
): { readonly model: ModelRecord; readonly version: VersionRecord } {
  const present = model ?? newModel(draft.tenant, draft.model, { by, atMs });
  const number = present.latestVersion + 1;
  return {
    model: { ...present, latestVersion: number },
    version: { ...draft, version: number, state: 'registered', createdBy: by, createdAtMs: atMs },
  };
}

function newModel(tenant: string, name: string, { by, atMs }: Author): ModelRecord {
  return {
    tenant,
    name,
    activeVersion: 0,
    labels: {},
    activations: [],
    createdAtMs: atMs,
    createdBy: by,
    latestVersion: 0,
    recentChanges: [],
  };
}

/** Throws VERSION_NOT_FOUND, ILLEGAL_TRANSITION, IN_USE. */
export function changeState(state: ModelState, number: number, to: VersionStateWord, force: boolean): ModelChange {
  const { model } = state;
  const version = versionOf(state, number, to === 'deleted');
  const uses = usesOf(model, number);
  const answer = decideTransition({ from: version.state, to, inUse: uses.length > 0, force });
  const id = versionId(model.tenant, model.name, number);
  switch (answer.kind) {
    case 'same':
      return {};
    case 'illegal':
      throw new BmsError(
        Reason.ILLEGAL_TRANSITION,
        `${id} is ${version.state} and cannot become ${to}: ${answer.remedy}`,
      );
    case 'in-use':
      throw new BmsError(Reason.IN_USE, `${id} is ${uses.join(' and ')}: ${waysToFree(model, number)} first`);
    case 'move':
      return {
        version: { ...version, state: to },
        ...(answer.clearsUse ? { model: withoutUses(model, number) } : {}),
      };
  }
}

/** Throws VERSION_NOT_FOUND, VERSION_OFFLINE. */
export function activate(
  state: ModelState,
  number: number,
  { by, atMs }: Author,
  kind: 'activate' | 'rollback' = 'activate',
): ModelChange {
  servingVersion(state, number);
  const { model } = state;
  if (model.activeVersion === number) return {};
  const activations = [...remember(model.activations, { version: number, by, atMs, kind })];
  return { model: { ...model, activeVersion: number, activations } };
}

/**
 * Which version rolling back leads to: the nearest one of the history that is still published, or `wish` when it is in
 * the history. Throws NOTHING_TO_ROLL_BACK, VERSION_OFFLINE.
 */
export function rollBackTarget(state: ModelState, wish: number | undefined): number {
  const { model } = state;
  const id = `${model.tenant}/${model.name}`;
  const ways = waysBack(model.activations, model.activeVersion);
  if (wish !== undefined) {
    if (wish === model.activeVersion) return wish;
    if (!model.activations.some(({ version }) => version === wish)) {
      const known = ways.length === 0 ? 'none other was' : `${ways.map((number) => `@${number}`).join(', ')} were`;
      throw new BmsError(Reason.NOTHING_TO_ROLL_BACK, `${id}@${wish} was never active (${known}): use activate`);
    }
    servingVersion(state, wish);
    return wish;
  }
  const target = ways.find((number) => state.versions.get(number)?.state === 'published');
  if (target !== undefined) return target;
  const why =
    ways.length === 0
      ? 'nothing was active before it that was not rolled back'
      : 'none that was active before is still published';
  throw new BmsError(Reason.NOTHING_TO_ROLL_BACK, `${id} has nothing to roll back to: ${why}`);
}

/** Throws VERSION_NOT_FOUND, VERSION_OFFLINE, INVALID_REQUEST for one label too many. */
export function setLabel(state: ModelState, label: string, number: number): ModelChange {
  servingVersion(state, number);
  const { model } = state;
  const isNew = !Object.hasOwn(model.labels, label);
  if (!isNew && model.labels[label] === number) return {};
  if (isNew && Object.keys(model.labels).length >= LABELS_MAX) {
    throw BmsError.invalidRequest('label', `${model.tenant}/${model.name} has ${LABELS_MAX} labels, the most allowed`);
  }
  return { model: { ...model, labels: { ...model.labels, [label]: number } } };
}

/** Throws LABEL_NOT_FOUND. */
export function removeLabel({ model }: ModelState, label: string): ModelChange {
  if (!Object.hasOwn(model.labels, label)) {
    throw new BmsError(Reason.LABEL_NOT_FOUND, `${model.tenant}/${model.name} has no label "${label}"`);
  }
  return {
    model: { ...model, labels: Object.fromEntries(Object.entries(model.labels).filter(([one]) => one !== label)) },
  };
}

/** The version, when requests may reach it. Throws VERSION_NOT_FOUND, VERSION_OFFLINE. */
export function servingVersion(state: ModelState, number: number): VersionRecord {
  const version = versionOf(state, number, false);
  requirePublished(version);
  return version;
}

/** Throws VERSION_OFFLINE. */
export function requirePublished(version: VersionRecord): void {
  if (version.state === 'published') return;
  const id = versionId(version.tenant, version.model, version.version);
  throw new BmsError(Reason.VERSION_OFFLINE, `${id} is ${version.state}: publish it first`);
}

function versionOf({ model, versions }: ModelState, number: number, deletedToo: boolean): VersionRecord {
  const version = versions.get(number);
  if (version === undefined || (version.state === 'deleted' && !deletedToo)) {
    throw versionNotFound(model.tenant, model.name, number, version !== undefined);
  }
  return version;
}

export function versionNotFound(tenant: string, model: string, number: number, deleted: boolean): BmsError {
  const id = versionId(tenant, model, number);
  return new BmsError(Reason.VERSION_NOT_FOUND, deleted ? `${id} was deleted` : `there is no version ${id}`);
}

export function modelNotFound(tenant: string, model: string): BmsError {
  return new BmsError(Reason.MODEL_NOT_FOUND, `there is no model ${tenant}/${model}`);
}

/** What reaches a version, in words. */
function usesOf(model: ModelRecord, number: number): string[] {
  const labels = labelsOf(model, number).map((label) => `labelled "${label}"`);
  return model.activeVersion === number ? ['active', ...labels] : labels;
}

/** What a person does so that nothing reaches the version any more. */
function waysToFree(model: ModelRecord, number: number): string {
  const labels = labelsOf(model, number);
  const ways = model.activeVersion === number ? ['activate another version'] : [];
  if (labels.length > 0) ways.push(`move or remove the label${labels.length === 1 ? '' : 's'}`);
  return ways.join(' and ');
}

/** The labels of a version, sorted. */
export function labelsOf(model: ModelRecord, number: number): string[] {
  return Object.keys(model.labels)
    .filter((label) => model.labels[label] === number)
    .sort();
}

function withoutUses(model: ModelRecord, number: number): ModelRecord {
  return {
    ...model,
    activeVersion: model.activeVersion === number ? 0 : model.activeVersion,
    labels: Object.fromEntries(Object.entries(model.labels).filter(([, version]) => version !== number)),
  };
}
