import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';

/** `examples/digits` of this repository, from the source as from the build. */
export const DIGITS_FOLDER = resolve(__dirname, '../../../../examples/digits');
/** The example's name where `npm start` imports it. */
export const DIGITS_MODEL = 'digits';
export const PICTURE_SIDE = 8;
export const PICTURE_PIXELS = PICTURE_SIDE * PICTURE_SIDE;
export const PIXEL_MAX = 16;
export const DIGITS = 10;

/** A handwritten digit. */
export interface DigitPicture {
  /** Its number in the data, from 0. */
  readonly sample: number;
  /** What the writer meant. */
  readonly digit: number;
  /** Whether the models were measured on it rather than trained with it. */
  readonly heldOut: boolean;
  /** {@link PICTURE_PIXELS} values from 0 (blank) to {@link PIXEL_MAX}, row by row. */
  readonly pixels: Float32Array;
}

const measuredSchema = z.array(
  z.object({
    version: z.int().positive(),
    file: z.string(),
    sha256: z.string(),
    kind: z.string(),
    heldOut: z.int().positive(),
    correct: z.int().nonnegative(),
    accuracy: z.number(),
  }),
);

/** One of the example's versions, as train.py measured its file on the held-out half. */
export type MeasuredVersion = z.infer<typeof measuredSchema>[number];

const expectedSchema = z.object({
  firstSample: z.int().nonnegative(),
  answers: z.array(z.array(z.number()).length(1 + DIGITS)),
});

/** What a version answers for the held-out pictures, in their order. */
export interface ExpectedAnswers {
  readonly firstSample: number;
  readonly answers: readonly { readonly label: number; readonly probabilities: Float32Array }[];
}

/** All pictures, in the order of their numbers. */
export function readDigits(folder: string = DIGITS_FOLDER): readonly DigitPicture[] {
  const lines = readFileSync(join(folder, 'data', 'digits.csv'), 'utf8')
    .trimEnd()
    .split('\n');
  return lines.slice(1).map((line, sample) => {
    const [heldOut, digit = NaN, ...pixels] = line.split(',').map(Number);
    if (!Number.isInteger(digit) || pixels.length !== PICTURE_PIXELS) {
      throw new Error(`${join(folder, 'data', 'digits.csv')} is damaged at line ${sample + 2}`);
    }
    return { sample, digit, heldOut: heldOut === 1, pixels: Float32Array.from(pixels) };
  });
}

/** The half of the pictures that no version was trained with. */
export function readHeldOut(folder: string = DIGITS_FOLDER): readonly DigitPicture[] {
  return readDigits(folder).filter(({ heldOut }) => heldOut);
}

/** What train.py measured, a version each. */
export function readMeasured(folder: string = DIGITS_FOLDER): readonly MeasuredVersion[] {
  return measuredSchema.parse(JSON.parse(readFileSync(join(folder, 'accuracy.json'), 'utf8')));
}

/** What onnxruntime answered with a version's file when it was measured, rounded to 6 digits. */
export function readExpected({ version }: MeasuredVersion, folder: string = DIGITS_FOLDER): ExpectedAnswers {
  const file = join(folder, 'data', `expected-v${version}.json`);
  const { firstSample, answers } = expectedSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  return {
    firstSample,
    answers: answers.map(([label = NaN, ...probabilities]) => ({
      label,
      probabilities: Float32Array.from(probabilities),
    })),
  };
}
