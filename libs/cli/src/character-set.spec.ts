import { ASCII, bar, characterSetFor, UNICODE } from './character-set';

describe('characterSetFor', () => {
  it.each([
    ['LANG says UTF-8', { LANG: 'en_US.UTF-8' }, 'linux', UNICODE],
    ['utf8 without a dash', { LANG: 'C.utf8' }, 'linux', UNICODE],
    ['LC_ALL overrules LANG', { LC_ALL: 'C', LANG: 'en_US.UTF-8' }, 'linux', ASCII],
    ['LC_CTYPE overrules LANG', { LC_CTYPE: 'UTF-8', LANG: 'C' }, 'darwin', UNICODE],
    ['an empty variable counts as unset', { LC_ALL: '', LANG: 'de_DE.UTF-8' }, 'linux', UNICODE],
    ['no locale', {}, 'linux', ASCII],
    ['no locale on Windows', {}, 'win32', UNICODE],
    ['another encoding', { LANG: 'de_DE.ISO-8859-1' }, 'linux', ASCII],
  ] as const)('%s', (_, env, platform, expected) => {
    expect(characterSetFor(env, platform)).toBe(expected);
  });
});

describe('bar', () => {
  it.each([
    [0, ''],
    [0.5, '█████'],
    [0.51, '█████▏'],
    [0.999, '██████████'],
    [1, '██████████'],
    [2, '██████████'],
    [NaN, ''],
  ])('draws %d in eighths of a cell', (share, expected) => {
    expect(bar(share, 10, UNICODE)).toBe(expected);
  });

  it('draws whole cells where there are no others', () => {
    expect(bar(0.56, 10, ASCII)).toBe('######');
  });
});
