import type { InferRequest, InferResult, ModelReference } from '@bms/sdk';
import { digitAnswers, digitsRequest } from './digits-answer';
import type { DigitPicture, ExpectedAnswers, MeasuredVersion } from './digits-data';

/** How one version did on the held-out half. */
export interface HeldOutScore {
  readonly version: number;
  readonly pictures: number;
  readonly correct: number;
  /** What train.py measured of this version's file; undefined where the file is not the example's. */
  readonly measured: MeasuredVersion | undefined;
  /** The largest difference of a probability from what was measured; undefined like `measured`. */
  readonly largestDifference: number | undefined;
}

export interface HeldOutOptions {
  readonly pictures: readonly DigitPicture[];
  readonly infer: (request: InferRequest) => Promise<InferResult>;
  /** The measurement of a version and what it answered then; undefined where there is none. */
  readonly measurementOf: (version: number) => Measurement | undefined;
}

export interface Measurement {
  readonly measured: MeasuredVersion;
  readonly expected: ExpectedAnswers;
}

/** Pictures in a request. */
const BATCH = 64;
/** Requests under way at once. */
const CONCURRENT = 4;
/** How far a probability may be from the measured one: other processors add up in another order. */
export const PROBABILITY_TOLERANCE = 1e-4;

/**
 * Predicts all pictures in requests of {@link BATCH}, and counts the right answers by the version that gave them: more than one
 * where the model's route or the label moves meanwhile.
 */
export async function scoreHeldOut(
  reference: ModelReference,
  { pictures, infer, measurementOf }: HeldOutOptions,
): Promise<readonly HeldOutScore[]> {
  const scores = new Map<number, HeldOutScore>();
  const batches = batchesOf(pictures);
  const predictBatches = async (): Promise<void> => {
    for (const batch of batches) {
      const result = await infer(digitsRequest(reference, batch));
      scores.set(result.version, addBatch(scores.get(result.version), batch, result, measurementOf(result.version)));
    }
  };
  // The loops share one iterator, so that each takes the next batch when it is done with one.
  await Promise.all(Array.from({ length: CONCURRENT }, predictBatches));
  return [...scores.values()].sort((a, b) => a.version - b.version);
}

/** Why a score is not what was measured; undefined where it is, or where nothing was measured. */
export function mismatchOf({ pictures, correct, measured, largestDifference }: HeldOutScore): string | undefined {
  if (measured === undefined) return undefined;
  if (pictures !== measured.heldOut) {
    return `only ${pictures} of the ${measured.heldOut} pictures were answered by it: the model's route moved meanwhile`;
  }
  if (correct !== measured.correct) return `${correct} right, but ${measured.correct} were measured`;
  // Not `>`: a NaN is no match either.
  if (!((largestDifference ?? 0) <= PROBABILITY_TOLERANCE)) {
    return `a probability is ${largestDifference} off, more than ${PROBABILITY_TOLERANCE}`;
  }
  return undefined;
}

function* batchesOf(pictures: readonly DigitPicture[]): Generator<readonly DigitPicture[]> {
  for (let at = 0; at < pictures.length; at += BATCH) yield pictures.slice(at, at + BATCH);
}

function addBatch(
  score: HeldOutScore | undefined,
  batch: readonly DigitPicture[],
  result: InferResult,
  measurement: Measurement | undefined,
): HeldOutScore {
  const answers = digitAnswers(result, batch.length);
  const differences = batch.flatMap(({ sample }, at) => {
    const expected = measurement?.expected.answers[sample - measurement.expected.firstSample];
    return expected === undefined
      ? []
      : expected.probabilities.map((probability, digit) =>
          Math.abs(probability - (answers[at]?.probabilities[digit] ?? NaN)),
        );
  });
  return {
    version: result.version,
    pictures: (score?.pictures ?? 0) + batch.length,
    correct: (score?.correct ?? 0) + batch.filter(({ digit }, at) => answers[at]?.label === digit).length,
    measured: measurement?.measured,
    largestDifference:
      measurement === undefined
        ? undefined
        : differences.reduce((largest, some) => Math.max(largest, ...some), score?.largestDifference ?? 0),
  };
}
