import { LOAD_DEFAULTS, parseLoadOptions } from './load-options';

describe('parseLoadOptions', () => {
  it('has defaults', () => {
    expect(parseLoadOptions(LOAD_DEFAULTS)).toEqual({
      ...{ ratePerSecond: 100, seconds: 30, concurrencyLimit: 10_000, deadlineMs: 5_000, attempts: 1 },
      input: undefined,
    });
  });

  it.each([
    ['rate', '0', '--rate is "0": a whole number from 1 to 100000 is allowed'],
    ['rate', '2.5', '--rate is "2.5": a whole number from 1 to 100000 is allowed'],
    ['seconds', 'long', '--seconds is "long": a number above 0, up to 86400, is allowed'],
    ['seconds', '0.0', '--seconds is "0.0": a number above 0'],
    ['concurrencyLimit', '-1', '--concurrency-limit is "-1": a whole number from 1 to 100000 is allowed'],
    ['deadlineMs', '', '--deadline-ms is "": a whole number from 1 to 3600000 is allowed'],
    ['attempts', '0', '--attempts is "0": a whole number from 1 to 1000 is allowed'],
  ])('refuses --%s %j', (key, value, message) => {
    expect(() => parseLoadOptions({ ...LOAD_DEFAULTS, [key]: value })).toThrow(message);
  });
});
