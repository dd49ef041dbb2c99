import type { Entry } from '@bms/metastore';
import { KeyLayout } from '../records/keys';
import { CorruptValueError } from '../records/value-format';
import {
  desiredFormat,
  meshFormat,
  modelFormat,
  requestFormat,
  versionFormat,
  type DesiredRecord,
  type MeshRecord,
  type ModelRecord,
  type RequestRecord,
  type VersionRecord,
} from '../records/values';

/**
 * What is carried over. What lives with a lease is not, nor who leads: it comes back by itself. Desired sets are, so that
 * workers that come along keep what they hold and their generations go on growing.
 */
export const TRANSFERRED = ['mesh', 'models', 'versions', 'requests', 'desired'] as const;
export type TransferredNoun = (typeof TRANSFERRED)[number];

/** One record, under its key without the mesh's prefix. */
export type TransferRecord = { readonly key: string; readonly value: Uint8Array } & (
  | { readonly noun: 'mesh'; readonly record: MeshRecord }
  | { readonly noun: 'models'; readonly record: ModelRecord }
  | { readonly noun: 'versions'; readonly record: VersionRecord }
  | { readonly noun: 'requests'; readonly record: RequestRecord }
  | { readonly noun: 'desired'; readonly record: DesiredRecord }
);

const BARE_KEYS = new KeyLayout('');
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** The record of an entry; undefined where it is not carried over. Throws NewerStoreError and CorruptValueError. */
export function recordOf({ key, value }: Pick<Entry, 'key' | 'value'>, prefix: string): TransferRecord | undefined {
  const bare = key.slice(prefix.length);
  const noun = TRANSFERRED.find((one) => bare === one || bare.startsWith(`${one}/`));
  return noun === undefined ? undefined : decoded(noun, bare, value);
}

/** `{"key":"models/default/digits","value":{"v":1,…}}`, without the line's end. */
export function lineOf({ key, value }: TransferRecord): string {
  return JSON.stringify({ key, value: JSON.parse(decoder.decode(value)) as unknown });
}

/** Throws CorruptValueError that names the line, NewerStoreError. */
export function parseLine(line: string, number: number): TransferRecord {
  const where = `line ${number}`;
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch (cause) {
    throw new CorruptValueError(`${where} is not JSON`, { cause });
  }
  const { key, value } = (parsed ?? {}) as { readonly key?: unknown; readonly value?: unknown };
  if (typeof key !== 'string' || typeof value !== 'object')
    throw new CorruptValueError(`${where} has no key and value`);
  const record = recordOf({ key, value: encoder.encode(JSON.stringify(value)) }, '');
  if (record === undefined) throw new CorruptValueError(`${where}: ${JSON.stringify(key)} is no key of an export`);
  return record;
}

/** Checks the value, and that it stands under its own key; gives it in the present format. */
function decoded(noun: TransferredNoun, key: string, value: Uint8Array): TransferRecord {
  switch (noun) {
    case 'mesh': {
      const record = meshFormat.decode(value, key);
      return standing(key, BARE_KEYS.mesh(), { noun, key, record, value: meshFormat.encode(record) });
    }
    case 'models': {
      const record = modelFormat.decode(value, key);
      const own = BARE_KEYS.model(record.tenant, record.name);
      return standing(key, own, { noun, key, record, value: modelFormat.encode(record) });
    }
    case 'versions': {
      const record = versionFormat.decode(value, key);
      const own = BARE_KEYS.version(record.tenant, record.model, record.version);
      return standing(key, own, { noun, key, record, value: versionFormat.encode(record) });
    }
    case 'requests': {
      const record = requestFormat.decode(value, key);
      const [, tenant = '', model = '', request = ''] = key.split('/');
      const own = BARE_KEYS.request(tenant, model, request);
      return standing(key, own, { noun, key, record, value: requestFormat.encode(record) });
    }
    case 'desired': {
      const record = desiredFormat.decode(value, key);
      const own = BARE_KEYS.desired(key.split('/')[1] ?? '');
      return standing(key, own, { noun, key, record, value: desiredFormat.encode(record) });
    }
  }
}

function standing(key: string, own: string, record: TransferRecord): TransferRecord {
  if (key === own) return record;
  throw new CorruptValueError(`the record under ${key} belongs under ${own}`);
}
