import { KeyLayout } from './keys';

describe('KeyLayout', () => {
  const keys = new KeyLayout('/bms/spec/');

  it('parses the keys that it makes', () => {
    expect(keys.parse(keys.mesh())).toEqual({ kind: 'mesh' });
    expect(keys.parse(keys.model('t', 'm'))).toEqual({ kind: 'model', model: 't/m' });
    expect(keys.parse(keys.version('t', 'm', 12))).toEqual({
      kind: 'version',
      model: 't/m',
      version: 't/m@12',
      number: 12,
    });
    expect(keys.parse(keys.worker('w'))).toEqual({ kind: 'worker', worker: 'w' });
    expect(keys.parse(keys.desired('w'))).toEqual({ kind: 'desired', worker: 'w' });
    expect(keys.parse(keys.reported('w'))).toEqual({ kind: 'reported', worker: 'w' });
    expect(keys.parse(keys.request('t', 'm', 'r'))).toEqual({ kind: 'other' });
    expect(keys.parse('/bms/another/mesh')).toEqual({ kind: 'other' });
  });

  it('orders versions by number, and keeps the versions of m and of m.2 apart', () => {
    const numbers = [1, 2, 10, 100, Number.MAX_SAFE_INTEGER];
    const made = numbers.map((number) => keys.version('t', 'm', number));
    expect([...made].sort()).toEqual(made);
    expect(keys.version('t', 'm.2', 1).startsWith(keys.versionsOf('t', 'm'))).toBe(false);
  });
});
