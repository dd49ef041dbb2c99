import type { InferRequest, InferResult } from '@bms/sdk';
import { readExpected, readHeldOut, readMeasured } from './digits-data';
import { mismatchOf, scoreHeldOut, type HeldOutScore, type Measurement } from './held-out';

const pictures = readHeldOut();
const measurements = readMeasured().map((measured): Measurement => ({ measured, expected: readExpected(measured) }));
const measurementOf = (version: number): Measurement | undefined => measurements[version - 1];

/** Answers as a version did when it was measured; finds the pictures by their pixels. */
function answerer(versionOf: (call: number) => number, change: (probabilities: Float32Array) => void = () => {}) {
  const byPixels = new Map(pictures.map((picture, at) => [picture.pixels.join(), at]));
  const sizes: number[] = [];
  const infer = async ({ model, inputs }: InferRequest): Promise<InferResult> => {
    const pixels = inputs['pixels']?.data as Float32Array;
    const version = versionOf(sizes.length);
    const count = pixels.length / 64;
    sizes.push(count);
    const answers = Array.from({ length: count }, (_, at) => {
      const index = byPixels.get(pixels.subarray(at * 64, (at + 1) * 64).join()) ?? NaN;
      const answer = measurementOf(version)?.expected.answers[index];
      if (answer === undefined) throw new Error('not a held-out picture');
      return answer;
    });
    const probabilities = Float32Array.from(answers.flatMap((answer) => [...answer.probabilities]));
    change(probabilities);
    return {
      ...{ model, version, id: '', servedBy: 'w', attempts: 1, requestId: 'r' },
      outputs: {
        probabilities: { datatype: 'FP32', shape: [count, 10], data: probabilities },
        label: { datatype: 'INT64', shape: [count], data: BigInt64Array.from(answers, ({ label }) => BigInt(label)) },
      },
    };
  };
  return { infer, sizes };
}

describe('scoreHeldOut', () => {
  it('predicts every picture once, in batches, and finds what was measured', async () => {
    const { infer, sizes } = answerer(() => 2);
    const scores = await scoreHeldOut({ model: 'digits' }, { pictures, infer, measurementOf });
    expect(sizes).toHaveLength(Math.ceil(899 / 64));
    expect(sizes.reduce((sum, size) => sum + size)).toBe(899);
    expect(scores).toMatchObject([{ version: 2, pictures: 899, correct: measurementOf(2)?.measured.correct }]);
    expect(scores.map(mismatchOf)).toEqual([undefined]);
  });

  it('counts by the version that answered, and says that it was not asked for all', async () => {
    const { infer } = answerer((call) => (call < 4 ? 1 : 2));
    const scores = await scoreHeldOut({ model: 'digits' }, { pictures, infer, measurementOf });
    expect(scores.map(({ version, pictures: some }) => [version, some])).toEqual([
      [1, 256],
      [2, 643],
    ]);
    expect(mismatchOf(scores[0] as HeldOutScore)).toMatch(/^only 256 of the 899 pictures/);
  });

  it('notices a probability that is off', async () => {
    const { infer } = answerer(
      () => 1,
      (probabilities) => (probabilities[3] = (probabilities[3] ?? 0) + 0.01),
    );
    const [score] = await scoreHeldOut({ model: 'digits' }, { pictures, infer, measurementOf });
    expect(mismatchOf(score as HeldOutScore)).toMatch(/^a probability is 0\.01/);
  });

  it('notices NaN', async () => {
    const { infer } = answerer(
      () => 1,
      (probabilities) => (probabilities[3] = NaN),
    );
    const [score] = await scoreHeldOut({ model: 'digits' }, { pictures, infer, measurementOf });
    expect(mismatchOf(score as HeldOutScore)).toMatch(/^a probability is NaN/);
  });

  it('ends with the error of a request that failed', async () => {
    const infer = async (): Promise<InferResult> => Promise.reject(new Error('gone'));
    await expect(scoreHeldOut({ model: 'digits' }, { pictures, infer, measurementOf })).rejects.toThrow('gone');
  });
});

describe('mismatchOf', () => {
  const score: HeldOutScore = {
    ...{ version: 1, pictures: 899, correct: 840, largestDifference: 0 },
    measured: measurements[0]?.measured,
  };

  it.each([
    ['the same', {}, undefined],
    ['one picture fewer right', { correct: 839 }, /^839 right, but 840 were measured$/],
    ['a model that was never measured', { measured: undefined, correct: 1 }, undefined],
  ] as const)('%s', (_, change, expected) => {
    const mismatch = mismatchOf({ ...score, ...change });
    if (expected === undefined) expect(mismatch).toBeUndefined();
    else expect(mismatch).toMatch(expected);
  });
});
