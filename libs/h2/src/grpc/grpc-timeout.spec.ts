import { formatTimeout, parseTimeoutMs, TIMEOUT_MAX_MS } from './grpc-timeout';
import { randomText, seededRandom } from './seeded-random.fixture';

describe('parseTimeoutMs', () => {
  it.each([
    ['1S', 1_000],
    ['0m', 0],
    ['00000000n', 0],
    ['250m', 250],
    ['15M', 900_000],
    ['1H', 3_600_000],
    ['1500u', 1.5],
    ['99999999n', 99.999999],
    ['99999999u', 99_999.999],
    ['2H', TIMEOUT_MAX_MS],
    ['61M', TIMEOUT_MAX_MS],
    ['99999999H', TIMEOUT_MAX_MS],
    ['99999999S', TIMEOUT_MAX_MS],
    ['99999999m', TIMEOUT_MAX_MS],
  ])('takes %s for %d ms', (value, ms) => {
    expect(parseTimeoutMs(value)).toBe(ms);
  });

  it.each([
    '',
    'S',
    '1',
    '10',
    '100000000S',
    '-1S',
    '+1S',
    '1.5S',
    '1e3S',
    ' 1S',
    '1S ',
    '1s',
    '1h',
    '1X',
    '0x1S',
    '١S',
    'NaNS',
    '1SS',
    '1,S',
  ])('takes %j for none', (value) => {
    expect(parseTimeoutMs(value)).toBeUndefined();
  });

  it('gives a number within its bounds or undefined for anything at all', () => {
    const random = seededRandom(7);
    let numbers = 0;
    const wrong: string[] = [];
    for (let i = 0; i < 200_000; i++) {
      const value = randomText(random, '0123456789012345678901234567HMSmunx .-', Math.floor(random() * 11));
      const ms = parseTimeoutMs(value);
      const within = ms !== undefined && ms >= 0 && ms <= TIMEOUT_MAX_MS;
      if (within) numbers += 1;
      if (within !== /^\d{1,8}[HMSmun]$/.test(value) || (!within && ms !== undefined)) wrong.push(value);
    }
    expect(wrong).toEqual([]);
    expect(numbers).toBeGreaterThan(1_000);
  });
});

describe('formatTimeout', () => {
  it.each([
    [1, '1m'],
    [1_999.9, '1999m'],
    [99_999_999, '99999999m'],
    [100_000_000, '100000S'],
    [1e13, '2777777H'],
    [Infinity, '99999999H'],
    [0.9999, '999u'],
    [0.0005, '500n'],
    [0.000_000_1, '1n'],
    [0, '1n'],
    [-5, '1n'],
    [NaN, '1n'],
  ])('says %d ms as %s', (ms, value) => {
    expect(formatTimeout(ms)).toBe(value);
  });

  it('never says more than there is, and loses less than a thousandth beyond a second', () => {
    const random = seededRandom(9);
    const wrong: number[] = [];
    for (let i = 0; i < 100_000; i++) {
      const ms = random() ** 5 * TIMEOUT_MAX_MS + 1e-6;
      const parsed = parseTimeoutMs(formatTimeout(ms)) ?? NaN;
      if (!(parsed <= ms) || (ms > 1_000 && parsed / ms < 0.999)) wrong.push(ms);
    }
    expect(wrong).toEqual([]);
  });
});
