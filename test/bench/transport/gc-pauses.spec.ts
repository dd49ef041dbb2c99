import { longestPauseMs } from './gc-pauses';

describe('the longest pause', () => {
  it.each([
    [
      'of Node.js 20',
      '[7:0x1]      35 ms: Scavenge 4.6 (5.9) -> 4.1 (6.9) MB, 0.75 / 0.00 ms  (average mu = 1.000) allocation failure;',
      0.75,
    ],
    [
      'of Node.js 24',
      '[7:0x1]  50 ms: Scavenge 21.5 (46.2) -> 7.3 (46.2) MB, pooled: 1 MB, 1.23 / 0.00 ms  (average mu = 1.000) task;',
      1.23,
    ],
    [
      'among several',
      [
        '[7:0x1] 50 ms: Scavenge 2.5 (4.2) -> 2.3 (4.2) MB, 0.50 / 0.00 ms  (average mu = 1.000) allocation failure;',
        '[7:0x1] 90 ms: Mark-Compact 50.1 (60.0) -> 20.0 (60.0) MB, 12.40 / 0.10 ms  (+ 3 ms in 9 steps) (average mu = 0.9)',
      ].join('\n'),
      12.4,
    ],
    ['without one', '{"level":30,"msg":"router serves"}', 0],
  ])('is read from what V8 says: %s', (_what, text, ms) => {
    expect(longestPauseMs(text)).toBe(ms);
  });
});
