import { modelId } from '@bms/contracts';
import type { ModelState } from '../models/model-changes';
import { CorruptValueError } from '../records/value-format';
import type { DesiredRecord, RequestRecord, VersionRecord } from '../records/values';
import type { TransferRecord } from './record-line';

/** What an export holds of one model. */
type Family = ModelState & { readonly versions: Map<number, VersionRecord> };
type Families = ReadonlyMap<string, Family>;

/**
 * Each record is there once, and what it refers to is there, as the catalog would have it. Throws CorruptValueError that names
 * the record, the field and what is wrong.
 */
export function checkRelations(records: readonly TransferRecord[], meshId: string): void {
  checkEachOnce(records);
  const families = familiesOf(records);
  checkSizes(records);
  for (const [id, family] of families) checkFamily(`models/${id}`, family);
  for (const one of records) {
    if (one.noun === 'mesh' && one.record.id !== meshId) {
      throw new CorruptValueError(`${one.key}: id: is ${one.record.id}, the manifest's meshId is ${meshId}`);
    }
    if (one.noun === 'requests') checkRequest(one.key, one.record, families);
    if (one.noun === 'desired') checkDesired(one.key, one.record, families);
  }
}

function checkEachOnce(records: readonly TransferRecord[]): void {
  const present = new Set<string>();
  for (const { key } of records) {
    if (present.has(key)) throw new CorruptValueError(`${key} is there twice`);
    present.add(key);
  }
}

function familiesOf(records: readonly TransferRecord[]): Families {
  const families = new Map<string, Family>();
  for (const one of records) {
    if (one.noun !== 'models') continue;
    families.set(modelId(one.record.tenant, one.record.name), { model: one.record, versions: new Map() });
  }
  for (const one of records) {
    if (one.noun !== 'versions') continue;
    const family = families.get(modelId(one.record.tenant, one.record.model));
    if (family === undefined) throw new CorruptValueError(`${one.key} has no model`);
    family.versions.set(one.record.version, one.record);
  }
  return families;
}

/** One digest is one content, and has one size. */
function checkSizes(records: readonly TransferRecord[]): void {
  const sizes = new Map<string, number>();
  for (const one of records) {
    if (one.noun !== 'versions') continue;
    for (const [index, { sha256, sizeBytes }] of one.record.artifact.files.entries()) {
      const other = sizes.get(sha256) ?? sizeBytes;
      if (other !== sizeBytes) {
        throw new CorruptValueError(
          `${one.key}: files[${index}].sizeBytes: is ${sizeBytes}, elsewhere the same sha256 has ${other}`,
        );
      }
      sizes.set(sha256, sizeBytes);
    }
  }
}

/** Versions are numbered from 1 without gaps, since none is ever forgotten; only published ones are reached by requests. */
function checkFamily(key: string, { model, versions }: Family): void {
  const { latestVersion, activeVersion, labels, activations } = model;
  const highest = [...versions.keys()].reduce((one, other) => Math.max(one, other), 0);
  if (latestVersion !== highest || versions.size !== highest) {
    throw new CorruptValueError(
      `${key}: latestVersion: is ${latestVersion}, but there are ${versions.size} versions, of which the highest is ${highest}: ` +
        'they are numbered from 1 without gaps',
    );
  }
  const reached = Object.entries(labels).map(([label, number]) => [`labels.${label}`, number] as [string, number]);
  if (activeVersion !== 0) reached.push(['activeVersion', activeVersion]);
  for (const [field, number] of reached) {
    const state = versions.get(number)?.state;
    if (state === 'published') continue;
    throw new CorruptValueError(
      `${key}: ${field}: names version ${number}, which is ${state ?? 'missing'}: only a published one is allowed`,
    );
  }
  for (const [index, { version }] of activations.entries()) {
    if (versions.has(version)) continue;
    throw new CorruptValueError(`${key}: activations[${index}]: names version ${version}, which is missing`);
  }
}

function checkRequest(key: string, { version }: RequestRecord, families: Families): void {
  const [, tenant = '', model = '', requestId = ''] = key.split('/');
  const made = families.get(modelId(tenant, model))?.versions.get(version);
  if (made === undefined) throw new CorruptValueError(`${key}: version: names version ${version}, which is missing`);
  if (made.requestId === requestId) return;
  throw new CorruptValueError(`${key}: version: names version ${version}, which another request made`);
}

function checkDesired(key: string, { versions }: DesiredRecord, families: Families): void {
  const present = new Set<string>();
  for (const [index, { tenant, model, version }] of versions.entries()) {
    const id = `${modelId(tenant, model)}@${version}`;
    const where = `${key}: versions[${index}]`;
    if (!families.get(modelId(tenant, model))?.versions.has(version)) {
      throw new CorruptValueError(`${where}: names ${id}, which is missing`);
    }
    if (present.has(id)) throw new CorruptValueError(`${where}: ${id} is there twice`);
    present.add(id);
  }
}
