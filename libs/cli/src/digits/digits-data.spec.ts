import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DIGITS_FOLDER, readDigits, readExpected, readHeldOut, readMeasured } from './digits-data';

describe('the digits example', () => {
  it('has all 1,797 pictures, the second half of them held out', () => {
    const pictures = readDigits();
    expect(pictures).toHaveLength(1_797);
    expect(pictures.map(({ heldOut }) => heldOut).lastIndexOf(false)).toBe(897);
    expect(readHeldOut()[0]?.sample).toBe(898);
    const values = new Set(pictures.flatMap(({ pixels }) => [...pixels]));
    expect([...values].sort((a, b) => a - b)).toEqual(Array.from({ length: 17 }, (_, value) => value));
  });

  it('was measured with the files that are there', () => {
    const measured = readMeasured();
    expect(measured.map(({ version }) => version)).toEqual([1, 2]);
    for (const { file, sha256 } of measured) {
      expect(
        createHash('sha256')
          .update(readFileSync(join(DIGITS_FOLDER, file)))
          .digest('hex'),
      ).toBe(sha256);
    }
  });

  it('has an expected answer for each held-out picture, as accurate as it says', () => {
    const pictures = readHeldOut();
    for (const measured of readMeasured()) {
      const { firstSample, answers } = readExpected(measured);
      expect([firstSample, answers.length]).toEqual([898, pictures.length]);
      expect(pictures.filter(({ digit }, at) => answers[at]?.label === digit)).toHaveLength(measured.correct);
      for (const { label, probabilities } of answers) {
        expect(probabilities.indexOf(Math.max(...probabilities))).toBe(label);
      }
    }
  });

  it('is better in its second version', () => {
    const [first, second] = readMeasured();
    expect(second?.accuracy).toBeGreaterThan((first?.accuracy ?? 1) + 0.02);
  });

  it('names the line where the data is damaged', () => {
    const folder = mkdtempSync(join(tmpdir(), 'bms-digits-'));
    try {
      mkdirSync(join(folder, 'data'));
      writeFileSync(join(folder, 'data', 'digits.csv'), 'held_out,digit,p0\n1,7,3\n');
      expect(() => readDigits(folder)).toThrow(/digits\.csv is damaged at line 2/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
