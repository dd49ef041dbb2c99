import { BmsError, Reason } from '@bms/contracts';
import type { InferRequest, InferResult, ModelReference } from '@bms/sdk';
import { DIGITS, PICTURE_PIXELS, type DigitPicture } from './digits-data';

/** What a model of the example says about one picture. */
export interface DigitAnswer {
  readonly label: number;
  /** {@link DIGITS} of them. */
  readonly probabilities: Float32Array;
}

/** Asks for all of `pictures` at once. */
export function digitsRequest(reference: ModelReference, pictures: readonly DigitPicture[]): InferRequest {
  const data = new Float32Array(pictures.length * PICTURE_PIXELS);
  pictures.forEach(({ pixels }, at) => data.set(pixels, at * PICTURE_PIXELS));
  return { ...reference, inputs: { pixels: { datatype: 'FP32', shape: [pictures.length, PICTURE_PIXELS], data } } };
}

/** The answers to {@link digitsRequest}, a picture each. Throws when the model is not one that reads digits. */
export function digitAnswers({ model, version, outputs }: InferResult, pictures: number): readonly DigitAnswer[] {
  const { label, probabilities } = outputs;
  if (
    label?.datatype !== 'INT64' ||
    probabilities?.datatype !== 'FP32' ||
    label.data.length !== pictures ||
    probabilities.data.length !== pictures * DIGITS
  ) {
    throw new BmsError(
      Reason.INVALID_MODEL,
      `${model}@${version} does not read digits: the example's outputs are probabilities, FP32 [-1, 10], and label, INT64 [-1]`,
    );
  }
  return Array.from(label.data, (digit, at) => ({
    label: Number(digit),
    probabilities: probabilities.data.subarray(at * DIGITS, (at + 1) * DIGITS),
  }));
}
