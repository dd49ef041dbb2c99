import { execFileSync } from 'node:child_process';
import { shellLine } from './shell-line';

describe('shellLine', () => {
  it('leaves plain words as they are', () => {
    expect(shellLine(['npx', 'bms', '--store', 'etcd://10.0.0.1:2379'])).toBe('npx bms --store etcd://10.0.0.1:2379');
  });

  it('is read by a shell as the same words', () => {
    const words = ['a b', "it's", '', '$HOME', '--data=./x y'];
    const line = shellLine(['printf', String.raw`%s\n`, ...words]);
    expect(execFileSync('sh', ['-c', line], { encoding: 'utf8' })).toBe(`${words.join('\n')}\n`);
  });
});
