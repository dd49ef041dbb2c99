import { BmsError } from './bms-error';
import { Reason } from './gen/bms/error/v1/error';
import { parseLabel, parseModelName, parseVersionNumber } from './names';

describe('names', () => {
  it.each(['a', '0', 'resnet-50', 'a.b_c-d', 'A'.repeat(100)])('takes the model name %s', (name) => {
    expect(parseModelName(name)).toBe(name);
  });

  it.each(['', '.a', '-a', '_a', 'a b', 'a/b', '../a', 'ä', 'a\n', 'a\0', 'A'.repeat(101)])(
    'refuses the model name %j and says what is allowed',
    (name) => {
      const error = thrownBy(() => parseModelName(name));
      expect(error.reason).toBe(Reason.INVALID_REQUEST);
      expect(error.violations[0]?.field).toBe('model');
      expect(error.message).toContain('at most 100 characters');
      expect(error.message.length).toBeLessThan(300);
    },
  );

  it.each(['1', '1a', '-x', ''])(
    'refuses the label %j: labels start with a letter, since digits mean a version',
    (label) => {
      expect(thrownBy(() => parseLabel(label)).message).toContain('a letter, then');
    },
  );

  it.each([
    ['1', 1],
    [7n, 7],
    [9007199254740991n, 9007199254740991],
  ])('reads the version %s', (value, version) => {
    expect(parseVersionNumber(value)).toBe(version);
  });

  it.each(['0', '-1', '1.5', '1e3', ' 1', '', 'x', 0, -1n, 9007199254740992n, '99999999999999999'])(
    'refuses the version %s',
    (value) => {
      expect(thrownBy(() => parseVersionNumber(value)).violations[0]?.field).toBe('version');
    },
  );
});

function thrownBy(run: () => unknown): BmsError {
  try {
    run();
  } catch (error) {
    if (error instanceof BmsError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
