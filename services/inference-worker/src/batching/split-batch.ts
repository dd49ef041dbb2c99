import { assertNever, BmsError, Reason } from '@bms/contracts';
import { splitRows, type Tensor } from '@bms/tensor';
import type { RunOutcome } from '../servables/executor';
import type { QueuedPrediction } from '../servables/queued-prediction';
import type { Servable } from '../servables/servable';
import type { QueuedBatch } from './version-queue';

/** What a batch comes to besides its answers. */
export interface SplitVerdict {
  /** Nobody was answered: its requests are to run again, each alone, so that only those fail that are to blame. */
  readonly repeat: boolean;
  /** The model's answer has other rows than it was asked for: its requests must not be joined. */
  readonly mixesRows: boolean;
  /** The caller whose request failed again by itself, and so made the batch fail that it was in; else undefined. */
  readonly blamed: string | undefined;
}

const SETTLED: SplitVerdict = { repeat: false, mixesRows: false, blamed: undefined };

/** Gives each request of a batch its own rows of the outcome. A caller that gave up meanwhile does not get them. */
export function splitBatch(
  servable: Servable,
  batch: QueuedBatch,
  outcome: RunOutcome,
  startedMs: number,
): SplitVerdict {
  const { entries, rows, paddingRows } = batch;
  const [only, ...others] = entries;
  if (only !== undefined && others.length === 0 && paddingRows === 0) {
    if (outcome.kind === 'answered') {
      answerAll([only], [outcome.outputs], outcome.computeUs, rows, startedMs);
      return SETTLED;
    }
    only.reject(refusalOf(servable, outcome));
    return only.isRepeated ? { ...SETTLED, blamed: only.call.caller } : SETTLED;
  }
  if (outcome.kind !== 'answered') return { ...SETTLED, repeat: true };
  const total = rows + paddingRows;
  if (outcome.outputs.some((tensor) => tensor.shape[0] !== total)) {
    return { ...SETTLED, repeat: true, mixesRows: true };
  }
  answerAll(entries, partsOf(outcome.outputs, entries, paddingRows), outcome.computeUs, rows, startedMs);
  return SETTLED;
}

/** The outputs of each request, as views of those of the batch. Without the padding. */
function partsOf(
  outputs: readonly Tensor[],
  entries: readonly QueuedPrediction[],
  paddingRows: number,
): readonly (readonly Tensor[])[] {
  const sizes = [...entries.map(({ rows }) => rows), ...(paddingRows > 0 ? [paddingRows] : [])];
  const byOutput = outputs.map((tensor) => splitRows(tensor, sizes));
  return entries.map((_, at) => byOutput.flatMap((parts) => parts[at] ?? []));
}

function answerAll(
  entries: readonly QueuedPrediction[],
  parts: readonly (readonly Tensor[])[],
  computeUs: number,
  rows: number,
  startedMs: number,
): void {
  const teller = entries.find(({ wanted }) => wanted);
  entries.forEach((entry, at) =>
    entry.resolve({
      outputs: parts[at] ?? [],
      computeUs,
      queueUs: Math.round((startedMs - entry.arrivedMs) * 1000),
      batchRows: entry === teller ? rows : undefined,
    }),
  );
}

/** Why one request by itself was not answered. */
function refusalOf({ id }: Servable, outcome: Exclude<RunOutcome, { kind: 'answered' }>): BmsError {
  const facts = { version: id };
  switch (outcome.kind) {
    case 'refused':
      return BmsError.invalidTensor(`inputs[${outcome.field}]`, outcome.message);
    case 'oversized':
      return new BmsError(Reason.MESSAGE_TOO_LARGE, `${id}: ${outcome.message}`, { facts });
    case 'failed':
      return new BmsError(Reason.MODEL_FAILED, `${id} failed: ${outcome.message}`, { facts });
    default:
      return assertNever(outcome);
  }
}
