import { artifactOf } from '@bms/artifacts';
import {
  assertNever,
  BmsError,
  NAME_MAX_CHARACTERS,
  NAME_PATTERN,
  parseLabel,
  parseModelName,
  parseTenantId,
} from '@bms/contracts';
import { ACTIVATIONS_MAX } from '../models/activation-history';
import { LABELS_MAX } from '../models/model-changes';
import { artifactMessage, configMessage } from '../models/model-messages';
import { checkVersionConfig } from '../models/version-config';
import { checkTexts } from '../models/version-registration';
import { CorruptValueError } from '../records/value-format';
import type { ArtifactRecord, DesiredRecord, ModelRecord, VersionRecord } from '../records/values';
import { BATCH_BYTES_MAX } from './record-batches';
import type { TransferRecord } from './record-line';

/** Generations begin with the time and grow by one: far above any of them, and far from where numbers end. */
const GENERATION_MAX = 2 ** 52;

/**
 * Checks a record by itself, with the rules that it was once registered by: what a push would refuse does not come in by an
 * import. Throws CorruptValueError that names the record, the field and what is allowed.
 */
export function checkRecord(one: TransferRecord): void {
  try {
    checkSize(one);
    checkContent(one);
  } catch (error) {
    if (!BmsError.is(error)) throw error;
    throw new CorruptValueError(`${one.key}: ${error.message}`, { cause: error });
  }
}

function checkContent(one: TransferRecord): void {
  switch (one.noun) {
    case 'mesh':
    case 'requests': // what they refer to is all that they say
      return;
    case 'models':
      return checkModel(one.record);
    case 'versions':
      return checkVersion(one.record);
    case 'desired':
      return checkDesired(one.key, one.record);
    default:
      assertNever(one);
  }
}

function checkSize({ key, value }: TransferRecord): void {
  const bytes = Buffer.byteLength(key) + value.byteLength;
  if (bytes <= BATCH_BYTES_MAX) return;
  throw BmsError.invalidRequest('value', `takes ${bytes} bytes: at most ${BATCH_BYTES_MAX} are allowed`);
}

function checkModel({ tenant, name, labels, activations }: ModelRecord): void {
  parseTenantId(tenant);
  parseModelName(name, 'name');
  const names = Object.keys(labels);
  for (const label of names) parseLabel(label, 'labels');
  checkCount('labels', names.length, LABELS_MAX);
  checkCount('activations', activations.length, ACTIVATIONS_MAX);
}

function checkCount(field: string, found: number, most: number): void {
  if (found > most) throw BmsError.invalidRequest(field, `are ${found}: at most ${most} are allowed`);
}

function checkVersion(record: VersionRecord): void {
  parseTenantId(record.tenant);
  parseModelName(record.model);
  checkTexts(record);
  checkVersionConfig(configMessage(record.config));
  checkArtifact(record.artifact);
}

function checkArtifact(artifact: ArtifactRecord): void {
  const { digest, sizeBytes } = artifactOf(artifactMessage(artifact).files, artifact.entry);
  if (artifact.digest !== digest) {
    throw BmsError.invalidRequest('artifact.digest', `is ${artifact.digest}, that of its files is ${digest}`);
  }
  if (BigInt(artifact.sizeBytes) !== sizeBytes) {
    throw BmsError.invalidRequest('artifact.sizeBytes', `is ${artifact.sizeBytes}, its files have ${sizeBytes}`);
  }
}

function checkDesired(key: string, { generation }: DesiredRecord): void {
  const worker = key.slice(key.indexOf('/') + 1);
  if (worker.length > NAME_MAX_CHARACTERS || !NAME_PATTERN.test(worker)) {
    throw BmsError.invalidRequest(
      'key',
      `a worker's name is a letter or digit, then letters, digits, ".", "_" or "-", at most ${NAME_MAX_CHARACTERS} characters`,
    );
  }
  if (generation <= GENERATION_MAX) return;
  throw BmsError.invalidRequest('generation', `${generation} is not allowed: at most ${GENERATION_MAX}`);
}
