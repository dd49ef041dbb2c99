import type { models } from '@bms/contracts';
import { takesBatches } from '@bms/tensor';
import { BatchProfile } from '../batching/batch-profile';
import { maxRowsOf, VersionBatching } from '../batching/version-batching';
import type { Clock } from '../clock';
import { orStuck } from '../servables/or-stuck';
import type { Executor, RunBatch, RunRequest } from '../servables/executor';
import { measureProfile } from './measure-profile';
import { probeRows } from './probe-rows';
import { whyNotJoined } from './rows-apart';

/** A turn is meant to take this long; see the queue. */
const TURN_MS = 2;
const TURN_BATCHES_MAX = 32;

export interface TuneParts {
  readonly signature: models.Signature;
  readonly config: models.VersionConfig;
  /** Requests that the model was warmed up with; none where it refused them. */
  readonly examples: readonly RunRequest[];
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface Tuned {
  readonly batching: VersionBatching;
  /** A typical turn, to measure with. Empty where there is no example. */
  readonly turn: readonly RunBatch[];
  /** Why its requests run one by one, where its signature and config would let them be joined; else undefined. */
  readonly whyAlone: string | undefined;
}

/** Finds out how a version that is warmed up is run best: whether requests can be joined, and how fast each size is. */
export async function tuneVersion(executor: Executor, parts: TuneParts): Promise<Tuned> {
  const { signature, config, examples, clock, signal } = parts;
  const mode = config.batching?.mode ?? '';
  const rows = takesBatches(signature) ? probeRows(examples) : undefined;
  const unit = rows?.[0] ?? examples[0];
  const wished = mode !== 'off' && takesBatches(signature);
  const whyAlone = wished && mode !== 'on' ? await checked(executor, rows, clock, signal) : undefined;
  const joins = wished && whyAlone === undefined;
  const limits = {
    maxRows: joins && rows !== undefined ? maxRowsOf(config.batching) : 1,
    preferredRows: config.batching?.preferredRows ?? [],
  };
  const profile =
    unit === undefined ? new BatchProfile([]) : await measureProfile(executor, unit, limits, clock, signal);
  const batching = new VersionBatching({ joins, profile, evenRows: hasEvenRows(signature), config: config.batching });
  return { batching, turn: unit === undefined ? [] : turnOf(unit, batching), whyAlone };
}

async function checked(
  executor: Executor,
  rows: readonly RunRequest[] | undefined,
  clock: Clock,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (rows === undefined) return 'there is no example of it with rows that could be joined';
  return orStuck(whyNotJoined(executor, rows), clock, signal);
}

/** Whether each row of the inputs has a fixed number of elements. */
function hasEvenRows({ inputs }: models.Signature): boolean {
  return inputs.every(({ shape, unranked }) => !unranked && shape.slice(1).every((size) => size >= 0n));
}

function turnOf(unit: RunRequest, { plan, joins, profile }: VersionBatching): readonly RunBatch[] {
  const rows = joins ? plan.bestRows : 1;
  const batch: RunBatch = { requests: Array.from({ length: rows }, () => unit), paddingRows: 0 };
  const count = Math.floor(TURN_MS / (profile.runMs(rows) || TURN_MS));
  return Array.from({ length: Math.min(TURN_BATCHES_MAX, Math.max(1, count)) }, () => batch);
}
