import { ASCII, UNICODE } from '../character-set';
import type { DigitPicture } from './digits-data';
import { drawPicture, drawPrediction } from './digits-picture';

/** A frame of full pixels, a half one in the middle. */
const pixels = Float32Array.from({ length: 64 }, (_, at) => {
  const [row, column] = [Math.floor(at / 8), at % 8];
  if (row === 0 || row === 7 || column === 0 || column === 7) return 16;
  return row === 3 && column === 3 ? 8 : 0;
});
const picture: DigitPicture = { sample: 7, digit: 0, heldOut: true, pixels };
const answer = { label: 3, probabilities: Float32Array.of(0.25, 0, 0, 0.75, 0, 0, 0, 0, 0, 0) };

describe('drawPicture', () => {
  it('draws a frame and a row a line, as many lines as there are digits', () => {
    expect(drawPicture(pixels, UNICODE)).toEqual([
      '┌────────────────┐',
      '│████████████████│',
      '│██            ██│',
      '│██            ██│',
      '│██    ▒▒      ██│',
      '│██            ██│',
      '│██            ██│',
      '│██            ██│',
      '│████████████████│',
      '└────────────────┘',
    ]);
  });

  it('does without block characters', () => {
    const lines = drawPicture(pixels, ASCII);
    expect(lines[0]).toBe('+----------------+');
    expect(lines[4]).toBe('|@@    ==      @@|');
    expect(lines.join('')).toMatch(/^[\x20-\x7e]*$/);
  });
});

describe('drawPrediction', () => {
  it('marks the answer and the truth beside the picture', () => {
    const lines = drawPrediction(picture, answer, ASCII).split('\n');
    expect(lines).toHaveLength(10);
    expect(lines[0]).toBe('+----------------+   0 ######                    25.0%  the truth');
    expect(lines[3]).toBe('|@@            @@|   3 ##################        75.0%  the answer');
    expect(lines[9]).toBe('+----------------+   9                            0.0%');
  });

  it('says so when the answer is the truth', () => {
    expect(drawPrediction({ ...picture, digit: 3 }, answer, ASCII)).toContain('75.0%  the answer, the truth');
  });
});
