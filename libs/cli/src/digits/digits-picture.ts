import { bar, type CharacterSet } from '../character-set';
import type { DigitAnswer } from './digits-answer';
import { PICTURE_SIDE, PIXEL_MAX, type DigitPicture } from './digits-data';

/** A pixel is two characters wide, which makes it about square. */
const PIXEL_COLUMNS = 2;
const BAR_CELLS = 24;
const GAP = '   ';

/** The picture in a frame: as many lines as there are digits. */
export function drawPicture(pixels: Float32Array, characters: CharacterSet): readonly string[] {
  const { shades, frame } = characters;
  const shadeOf = (pixel: number): string => shades[Math.round((pixel / PIXEL_MAX) * (shades.length - 1))] ?? ' ';
  const rows = Array.from({ length: PICTURE_SIDE }, (_, row) =>
    Array.from(pixels.subarray(row * PICTURE_SIDE, (row + 1) * PICTURE_SIDE), (pixel) =>
      shadeOf(pixel).repeat(PIXEL_COLUMNS),
    ).join(''),
  );
  const edge = frame.across.repeat(PICTURE_SIDE * PIXEL_COLUMNS);
  const [top, bottom] = [frame.top, frame.bottom].map(([left, right]) => left + edge + right);
  return [top ?? '', ...rows.map((row) => frame.down + row + frame.down), bottom ?? ''];
}

/** A line a digit: how likely the model finds it; the answer and the truth are marked. */
export function drawAnswer(
  { label, probabilities }: DigitAnswer,
  truth: number,
  characters: CharacterSet,
): readonly string[] {
  return Array.from(probabilities, (probability, digit) => {
    const marks = [digit === label ? 'the answer' : '', digit === truth ? 'the truth' : ''].filter(Boolean).join(', ');
    const share = bar(probability, BAR_CELLS, characters).padEnd(BAR_CELLS);
    return `${digit} ${share} ${percent(probability).padStart(6)}  ${marks}`.trimEnd();
  });
}

/** The picture, and the answer beside it. */
export function drawPrediction(picture: DigitPicture, answer: DigitAnswer, characters: CharacterSet): string {
  const beside = drawAnswer(answer, picture.digit, characters);
  return drawPicture(picture.pixels, characters)
    .map((line, at) => `${line}${GAP}${beside[at] ?? ''}`.trimEnd())
    .join('\n');
}

/** `98.4%` */
export function percent(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}
