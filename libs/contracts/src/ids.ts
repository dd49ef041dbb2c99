declare const brand: unique symbol;

/** A string or number that must not be mixed up with another of the same shape. */
export type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** Who owns models, keys and quotas. `default` where no key is given. */
export type TenantId = Branded<string, 'TenantId'>;
/** A model's name within its tenant. */
export type ModelName = Branded<string, 'ModelName'>;
/** 1, 2, 3 … within its model. */
export type VersionNumber = Branded<number, 'VersionNumber'>;
/** `tenant/model`. */
export type ModelId = Branded<string, 'ModelId'>;
/** `tenant/model@3`. */
export type VersionId = Branded<string, 'VersionId'>;
/** A worker's stable id. */
export type WorkerId = Branded<string, 'WorkerId'>;
/** One start of a process; new each time. */
export type Incarnation = Branded<string, 'Incarnation'>;

export const DEFAULT_TENANT = 'default' as TenantId;

/** What names of tenants and models look like; at most {@link NAME_MAX_CHARACTERS} characters. */
export const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
/** What labels look like: they start with a letter, so that all digits always mean a version. */
export const LABEL_PATTERN = /^[A-Za-z][A-Za-z0-9._-]*$/;
export const NAME_MAX_CHARACTERS = 100;

/** The largest version number: what a JSON number and a wire int64 both hold exactly. */
export const VERSION_MAX = Number.MAX_SAFE_INTEGER;

export function modelId(tenant: string, model: string): ModelId {
  return `${tenant}/${model}` as ModelId;
}

export function versionId(tenant: string, model: string, version: number | bigint): VersionId {
  return `${tenant}/${model}@${version}` as VersionId;
}
