import { parseLabelMove, parseVersionName } from './version-name';

describe('parseVersionName', () => {
  it('reads NAME@N', () => {
    expect(parseVersionName('my.model_2-x@17', 'acme')).toEqual({
      tenant: 'acme',
      model: 'my.model_2-x',
      version: 17n,
    });
  });

  it.each([
    [
      'digits',
      '"digits" names no version: NAME@N is needed, a model\'s name and a version\'s number, such as digits@2',
    ],
    ['', 'such as digits@2'],
    ['digits@', 'behind "@" stands a version\'s number, such as digits@2'],
    ['digits@stable', 'a label works for predictions only'],
    ['digits@-1', 'behind "@" stands a version\'s number'],
    ['digits@0', '"0" is not a version: 1 to'],
    ['digits@99999999999999999', 'is not a version'],
    ['@2', 'NAME: "" is not allowed'],
    ['a b@2', 'NAME: "a b" is not allowed: a letter or digit, then'],
    ['../x@2', 'NAME: "../x" is not allowed'],
    [`${'x'.repeat(101)}@2`, 'at most 100 characters'],
  ])('refuses %p', (text, sentence) => {
    expect(() => parseVersionName(text, 'default')).toThrow(sentence);
  });
});

describe('parseLabelMove', () => {
  it.each([
    ['stable=2', { label: 'stable', version: 2n }],
    ['stable=', { label: 'stable', version: 0n }],
  ])('reads %s', (text, move) => {
    expect(parseLabelMove(text)).toEqual(move);
  });

  it.each(['stable', '=2', 'stable=x', 'stable=0', 'a=b=2'])('refuses %p', (text) => {
    expect(() => parseLabelMove(text)).toThrow();
  });
});
