import { randomBytes } from 'node:crypto';
import { decodeBinary, decodeBinaryList, encodeBinary } from './binary-values';
import { randomText, seededRandom } from './seeded-random.fixture';

describe('-bin values', () => {
  it('come back as they were, padded or not', () => {
    for (let size = 0; size < 70; size++) {
      const bytes = randomBytes(size);
      const encoded = encodeBinary(bytes);
      expect(encoded).not.toContain('=');
      expect(decodeBinary(encoded)).toEqual(bytes);
      expect(decodeBinary(bytes.toString('base64'))).toEqual(bytes);
    }
  });

  it('are encoded from a view alone, not from what lies around it', () => {
    expect(encodeBinary(new Uint8Array([9, 1, 2, 9]).subarray(1, 3))).toBe('AQI');
  });

  it.each([
    ['AQI', ['0102']],
    ['AQI=,AwQ', ['0102', '0304']],
    ['AQI , AwQ=', ['0102', '0304']],
    ['', ['']],
    ['AQI,,AwQ', ['0102', '', '0304']],
    ['AQI,!,AwQ', ['0102', '0304']],
    ['A', []],
    ['AQI=A', []],
    ['AQI==', []],
    ['AQ=', []],
    ['=', []],
    ['====', []],
    ['AQ I', []],
    ['\u00ff\u00ff\u00ff\u00ff', []],
    ['A'.repeat(8 * 1024 + 4), []],
  ])('of %j are %j', (value, hex) => {
    expect(decodeBinaryList(value).map((bytes) => bytes.toString('hex'))).toEqual(hex);
  });

  it('never throw, whatever comes, and give no more bytes than were sent', () => {
    const random = seededRandom(13);
    const wrong: string[] = [];
    for (let i = 0; i < 50_000; i++) {
      const value = randomText(random, 'ABCDefgh0189+/-_=, \u0000\u00ff', Math.floor(random() * 30));
      const bytes = decodeBinaryList(value).reduce((sum, part) => sum + part.length, 0);
      if (bytes > (value.length * 3) / 4) wrong.push(value);
    }
    expect(wrong).toEqual([]);
  });
});
