import type { ModelReference } from '@bms/sdk';
import { measuredVersions } from '../digits/measured-versions';
import { readExpected, readHeldOut } from '../digits/digits-data';
import { mismatchOf, scoreHeldOut, type HeldOutScore, type Measurement } from '../digits/held-out';
import { percent } from '../digits/digits-picture';
import { table } from '../table';
import type { Session } from '../verb';
import { whileWaiting } from '../while-waiting';

/**
 * Predicts the held-out half of the digits example with the version or label that is named, or with every version that can be
 * called, and compares with what train.py measured. Throws where it differs.
 */
export async function predictHeldOut(session: Session, reference: ModelReference): Promise<void> {
  const scores = await whileWaiting(session, 'predicting the held-out half', scoreAll(session, reference));
  const { model } = reference;
  session.print(
    scores.map((score) => ({
      ...{ model, version: score.version, pictures: score.pictures, correct: score.correct },
      accuracy: Number((score.correct / score.pictures).toFixed(6)),
      measuredCorrect: score.measured?.correct ?? null,
      largestDifference: score.largestDifference ?? null,
      isAsMeasured: score.measured === undefined ? null : mismatchOf(score) === undefined,
    })),
    () => scoreTable(model, scores),
  );
  const mismatches = scores.flatMap((score) => {
    const mismatch = mismatchOf(score);
    return mismatch === undefined ? [] : [`${model}@${score.version}: ${mismatch}`];
  });
  if (mismatches.length > 0) throw new Error(`not as measured: ${mismatches.join('; ')}`);
}

async function scoreAll(session: Session, reference: ModelReference): Promise<readonly HeldOutScore[]> {
  const [pictures, { byVersion }, references] = [
    readHeldOut(),
    await measuredVersions(session, reference.model),
    await callableReferences(session, reference),
  ];
  const measurements = new Map<number, Measurement>(
    [...byVersion].map(([version, measured]) => [version, { measured, expected: readExpected(measured) }]),
  );
  const scores: HeldOutScore[] = [];
  for (const one of references) {
    const infer = session.client.infer.bind(session.client);
    scores.push(
      ...(await scoreHeldOut(one, {
        pictures,
        infer: (request) => infer(request, { signal: session.signal }),
        measurementOf: (version) => measurements.get(version),
      })),
    );
  }
  return scores;
}

/** The one that is named; a model's name alone means each of its versions that can be called. */
async function callableReferences(session: Session, reference: ModelReference): Promise<readonly ModelReference[]> {
  if (reference.version !== undefined || reference.label !== undefined) return [reference];
  const { versions } = await session.client.describe(reference, { signal: session.signal });
  return versions.map((version) => ({ model: reference.model, version }));
}

function scoreTable(model: string, scores: readonly HeldOutScore[]): string {
  return table(scores, [
    { title: 'VERSION', cell: ({ version }) => `${model}@${version}` },
    { title: 'RIGHT', cell: ({ correct, pictures }) => `${correct} of ${pictures}`, align: 'right' },
    { title: 'ACCURACY', cell: ({ correct, pictures }) => percent(correct / pictures), align: 'right' },
    { title: 'MEASURED BY train.py', cell: measuredText },
    { title: 'KIND', cell: ({ measured }) => measured?.kind ?? '' },
  ]);
}

function measuredText(score: HeldOutScore): string {
  const { measured, largestDifference } = score;
  if (measured === undefined) return 'not one of its files';
  if (mismatchOf(score) !== undefined) return `${percent(measured.accuracy)}: NOT the same`;
  return `${percent(measured.accuracy)}: the same, probabilities within ${(largestDifference ?? 0).toExponential(0)}`;
}
