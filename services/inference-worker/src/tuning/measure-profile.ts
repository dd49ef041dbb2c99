import { batchShape } from '@bms/tensor';
import { BatchProfile } from '../batching/batch-profile';
import type { Clock } from '../clock';
import { orStuck } from '../servables/or-stuck';
import type { Executor, RunRequest } from '../servables/executor';
import { requestSizeBytes } from '../servables/request-size';

/** All measuring of one version ends after about this long. */
const BUDGET_MS = 1_000;
/** How often each size runs, time permitting; the fastest counts. */
const ROUNDS = 7;
/** Shorter runs are measured several in a row, as they come under load: the first one after a pause finds its weights in no cache. */
const SHORT_MS = 1;
const SHORT_IN_ROW = 3;
/** Longer runs would hold up whatever is more urgent. One row may take as long as it does. */
const RUN_MAX_MS = 100;
/** Two doublings that win less than this end the search for larger sizes. */
const WORTH_WHILE = 1.03;
/** Inputs of one run. */
const BATCH_BYTES_MAX = 16 * 1024 * 1024;

export interface ProfileLimits {
  readonly maxRows: number;
  /** Sizes that are measured whatever else is. */
  readonly preferredRows: readonly number[];
}

/** Powers of two; between two of them from 8 on, each eighth of the larger one, and below all. */
function gridUpTo(rows: number): readonly number[] {
  const grid: number[] = [];
  for (let size = 1; size <= rows; size += size < 8 ? 1 : 2 ** Math.floor(Math.log2(size)) / 4) grid.push(size);
  return grid;
}

/**
 * Measures how long runs take by their rows, `unit` being a request that is repeated, mostly of one row: first by doubling, until more rows win nothing,
 * then the sizes between. Bounded in time; a size that the model or the runtime refuses ends the search. Throws StuckError,
 * ExecutorLostError.
 */
export async function measureProfile(
  executor: Executor,
  unit: RunRequest,
  limits: ProfileLimits,
  clock: Clock,
  signal: AbortSignal,
): Promise<BatchProfile> {
  const endMs = clock.monotonic() + BUDGET_MS;
  const most = Math.min(limits.maxRows, Math.max(1, Math.floor(BATCH_BYTES_MAX / Math.max(1, requestSizeBytes(unit)))));
  const fastest = new Map<number, number>();
  const measure = async (rows: number): Promise<number | undefined> => {
    const batch = { requests: Array.from({ length: rows }, () => unit), paddingRows: 0 };
    const inRow = (fastest.get(rows) ?? Infinity) < SHORT_MS ? SHORT_IN_ROW : 1;
    const outcomes = await orStuck(executor.run(Array.from({ length: inRow }, () => batch)), clock, signal);
    for (const outcome of outcomes) {
      if (outcome.kind !== 'answered') return undefined;
      fastest.set(rows, Math.min(outcome.computeUs / 1000, fastest.get(rows) ?? Infinity));
    }
    return fastest.get(rows);
  };
  const largest = await doubled(most, measure, () => clock.monotonic() < endMs);
  const preferred = limits.preferredRows.filter((rows) => rows <= most);
  const sizes = new Set([...preferred, ...fastest.keys(), ...gridUpTo(largest), largest]);
  for (let round = 0; round < ROUNDS; round++) {
    for (const rows of sizes) {
      if (clock.monotonic() >= endMs) return profileOf(fastest, unit);
      await measure(rows);
    }
  }
  return profileOf(fastest, unit);
}

/** Runs each power of two twice, since the first run of a size sets up its memory. Answers the largest number that is worth while. */
async function doubled(
  most: number,
  measure: (rows: number) => Promise<number | undefined>,
  hasTime: () => boolean,
): Promise<number> {
  let [best, largest, poor] = [0, 1, 0];
  for (let rows = 1; rows <= most; rows *= 2) {
    if (poor >= 2 || (rows > 1 && !hasTime())) return largest;
    const firstMs = await measure(rows);
    const runMs = firstMs === undefined || !hasTime() ? firstMs : await measure(rows);
    if (runMs === undefined || (rows > 1 && runMs > RUN_MAX_MS)) return largest;
    largest = rows;
    const pace = rows / runMs;
    poor = pace > best * WORTH_WHILE ? 0 : poor + 1;
    best = Math.max(best, pace);
  }
  return most;
}

function profileOf(fastest: ReadonlyMap<number, number>, unit: RunRequest): BatchProfile {
  const unitRows = batchShape(unit.inputs)?.rows ?? 1;
  return new BatchProfile([...fastest].map(([units, runMs]) => ({ rows: units * unitRows, runMs })));
}
