import { BmsError, Reason } from '@bms/contracts';
import type { ModelReference } from '@bms/sdk';
import type { CharacterSet } from '../character-set';
import { digitAnswers, digitsRequest } from '../digits/digits-answer';
import { readDigits, type DigitPicture } from '../digits/digits-data';
import { drawPrediction, percent } from '../digits/digits-picture';
import { UsageError } from '../usage-error';
import type { Session } from '../verb';
import { referenceText } from './model-reference';

/** Predicts one picture of the digits example and draws it with the answer. */
export async function predictSample(
  session: Session,
  reference: ModelReference,
  sampleText: string,
  characters: CharacterSet,
): Promise<void> {
  const picture = pictureOf(sampleText);
  const startedMs = performance.now();
  const result = await session.client.infer(digitsRequest(reference, [picture]), { signal: session.signal });
  const tookMs = performance.now() - startedMs;
  const [answer] = digitAnswers(result, 1);
  if (answer === undefined) throw new BmsError(Reason.INTERNAL, 'the answer is about no picture');
  const { label, probabilities } = answer;
  const { sample, digit: truth, heldOut } = picture;
  const { model, version, servedBy, attempts } = result;
  session.print(
    {
      ...{ model, version, sample, heldOut, truth, label, isRight: label === truth },
      probabilities: Array.from(probabilities, (probability) => Number(probability.toPrecision(7))),
      ...{ servedBy, attempts, tookMs: Number(tookMs.toFixed(2)) },
    },
    () =>
      [
        `Picture ${sample} of the ${heldOut ? 'held-out' : 'training'} half, a ${truth}`,
        drawPrediction(picture, answer, characters),
        `${model}@${version} says ${label} (${percent(probabilities[label] ?? 0)}): ${label === truth ? 'right' : 'wrong'}`,
        `Answered by worker ${servedBy} in ${tookMs.toFixed(1)} ms, connecting included` +
          (reference.label !== undefined ? ` (asked for ${referenceText(reference)})` : ''),
      ].join('\n'),
  );
}

function pictureOf(text: string): DigitPicture {
  const pictures = readDigits();
  const picture = /^[0-9]{1,6}$/.test(text) ? pictures[Number(text)] : undefined;
  if (picture !== undefined) return picture;
  throw new UsageError(
    `--sample is ${JSON.stringify(text)}: the number of a picture is allowed, 0 to ${pictures.length - 1}`,
  );
}
