import { formatBytes } from './format-bytes';
import { formatAge, formatCount, formatTime } from './format-time';
import { parseDurationMs } from './parse-duration';
import { UsageError } from './usage-error';

describe('formats', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [79_770, '77.9 KiB'],
    [102_360, '100 KiB'],
    [1_048_500, '1.0 MiB'],
    [5n * 2n ** 30n, '5.0 GiB'],
    [2 ** 60, '1048576 TiB'],
  ])('writes %p bytes as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it('writes moments on this machine’s clock, and never as nothing', () => {
    expect(formatTime(new Date(2026, 10, 4, 5, 6, 7).getTime())).toBe('2026-11-04 05:06:07');
    expect(formatTime(0n)).toBe('');
  });

  it.each([
    [0, '0 s'],
    [119_999, '119 s'],
    [120_000, '2 min'],
    [7_200_000, '2 h'],
    [172_800_000, '2 d'],
    [-5_000, '0 s'],
  ])('writes an age of %p ms as %s', (ageMs, text) => {
    expect(formatAge(1_000_000, 1_000_000 + ageMs)).toBe(text);
  });

  it('groups the digits of counts', () => {
    expect([formatCount(1_234_567), formatCount(0n), formatCount(12_345n)]).toEqual(['1,234,567', '0', '12,345']);
  });

  it.each([
    ['500ms', 500],
    ['30', 30_000],
    ['30s', 30_000],
    ['1.5m', 90_000],
    ['1h', 3_600_000],
  ])('reads the duration %s', (text, ms) => {
    expect(parseDurationMs(text, '--timeout')).toBe(ms);
  });

  it.each(['', '0', '-1s', '5 min', '2h', '1e3', 's'])('refuses the duration %p and says what is allowed', (text) => {
    expect(() => parseDurationMs(text, '--timeout')).toThrow(UsageError);
    expect(() => parseDurationMs(text, '--timeout')).toThrow('such as 500ms, 30s or 2m');
  });
});
