import { assertNever, BmsError, LABEL_PATTERN, models, Reason, type TenantId } from '@bms/contracts';
import type { ModelEntry, RouteTable, VersionEntry } from './route-table';

/** Which of a model's versions a caller means. */
export type VersionSelector =
  | { readonly kind: 'active' }
  | { readonly kind: 'version'; readonly digits: string }
  | { readonly kind: 'label'; readonly label: string };

export interface ModelReference {
  readonly name: string;
  readonly selector: VersionSelector;
}

/** How soon to ask again for a version that no worker holds ready yet. */
const NOT_READY_RETRY_MS = 1_000;
const SHOWN_MAX = 20;

/**
 * The selector that one text stands for: digits mean a version, "" the active one, anything else a label.
 * Throws INVALID_REQUEST that names `field`.
 */
export function selectorOf(text: string, field: string): VersionSelector {
  if (text === '') return { kind: 'active' };
  if (/^[0-9]+$/.test(text)) return { kind: 'version', digits: text };
  if (LABEL_PATTERN.test(text)) return { kind: 'label', label: text };
  throw BmsError.invalidRequest(
    field,
    `${shown(text)} is neither a version (digits) nor a label (a letter, then letters, digits, ".", "_" or "-")`,
  );
}

/**
 * The version that a caller means, whether or not it can be called. Throws MODEL_NOT_FOUND, VERSION_NOT_FOUND,
 * LABEL_NOT_FOUND, NO_ACTIVE_VERSION; NOT_READY as long as there are no routes at all.
 */
export function findVersion(table: RouteTable | undefined, tenant: TenantId, wanted: ModelReference): VersionEntry {
  const model = findModel(table, tenant, wanted.name);
  const { selector } = wanted;
  switch (selector.kind) {
    case 'active':
      if (model.activeVersion === undefined) throw noActiveVersion(model);
      return versionOf(model, model.activeVersion);
    case 'version':
      return versionOf(model, Number(selector.digits));
    case 'label': {
      const version = model.labels.get(selector.label);
      if (version === undefined) throw labelNotFound(model, selector.label);
      return versionOf(model, version);
    }
    default:
      return assertNever(selector);
  }
}

export function findModel(table: RouteTable | undefined, tenant: TenantId, name: string): ModelEntry {
  if (table === undefined) {
    throw new BmsError(Reason.NOT_READY, 'this router has no routes yet: it has not reached the registry', {
      retryAfterMs: NOT_READY_RETRY_MS,
    });
  }
  if (name === '') throw BmsError.invalidRequest('model_name', 'is missing');
  const model = table.model(tenant, name);
  if (model !== undefined) return model;
  throw new BmsError(Reason.MODEL_NOT_FOUND, `tenant ${shown(tenant)} has no model ${shown(name)}`, {
    facts: { tenant, model: name },
  });
}

/** Throws VERSION_OFFLINE unless the version is published. */
export function requirePublished({ id, model, version, state }: VersionEntry): void {
  if (state === models.VersionState.PUBLISHED) return;
  const why =
    state === models.VersionState.REGISTERED
      ? `is registered but was never published: run "bms publish ${model}@${version}"`
      : `is offline: run "bms publish ${model}@${version}" to bring it back`;
  throw new BmsError(Reason.VERSION_OFFLINE, `version ${version} of model ${model} ${why}`, { facts: { version: id } });
}

/** Throws NOT_READY, with a retry hint, unless a worker holds the version ready. */
export function requireReady(entry: VersionEntry): void {
  if (entry.readyWorkers.length === 0) throw notReady(entry, entry.notReadyReason || 'no worker holds it ready yet');
}

export function notReady({ id, model, version }: VersionEntry, why: string, cause?: unknown): BmsError {
  return new BmsError(Reason.NOT_READY, `version ${version} of model ${model} is published, but not ready: ${why}`, {
    retryAfterMs: NOT_READY_RETRY_MS,
    facts: { version: id },
    cause,
  });
}

function versionOf(model: ModelEntry, number: number): VersionEntry {
  const version = model.versions.get(number as VersionEntry['version']);
  if (version !== undefined) return version;
  const known = listed([...model.versions.keys()].map(String));
  const text = Number.isSafeInteger(number) ? String(number) : 'of that number';
  throw new BmsError(
    Reason.VERSION_NOT_FOUND,
    `model ${model.name} has no version ${text}: ${known === '' ? 'it has none' : `it has ${known}`}`,
    { facts: { model: model.name } },
  );
}

function labelNotFound(model: ModelEntry, label: string): BmsError {
  const known = listed([...model.labels.keys()].sort());
  return new BmsError(
    Reason.LABEL_NOT_FOUND,
    `model ${model.name} has no label ${shown(label)}: ${known === '' ? 'it has none' : `it has ${known}`}`,
    { facts: { model: model.name } },
  );
}

function noActiveVersion(model: ModelEntry): BmsError {
  const published = [...model.versions.values()].filter(({ state }) => state === models.VersionState.PUBLISHED);
  const example = published.at(-1)?.version ?? [...model.versions.keys()].at(-1) ?? 1;
  return new BmsError(
    Reason.NO_ACTIVE_VERSION,
    `model ${model.name} has no active version: name a version or a label, or run "bms activate ${model.name}@${example}"`,
    { facts: { model: model.name } },
  );
}

/** The last ones, since those are looked for most. */
function listed(names: readonly string[]): string {
  const last = names.slice(-SHOWN_MAX).join(', ');
  return names.length > SHOWN_MAX ? `…, ${last}` : last;
}

function shown(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}
