import { PersistentMap } from './persistent-map';

describe('PersistentMap', () => {
  it('gives another map on change and leaves the one before as it was', () => {
    const one = PersistentMap.of<string, number>([
      ['a', 1],
      ['b', 2],
    ]);
    const other = one.with([
      ['a', undefined],
      ['c', 3],
    ]);
    expect([...one.entries()].sort()).toEqual([
      ['a', 1],
      ['b', 2],
    ]);
    expect([...other.entries()].sort()).toEqual([
      ['b', 2],
      ['c', 3],
    ]);
    expect([one.size, other.size]).toEqual([2, 2]);
    expect([other.has('a'), other.get('c')]).toEqual([false, 3]);
  });

  it('is the same map when nothing changes', () => {
    const map = PersistentMap.of<string, number>([['a', 1]]);
    expect(
      map.with([
        ['a', 1],
        ['z', undefined],
      ]),
    ).toBe(map);
  });

  it('tells what differs from another map', () => {
    const ids = Array.from({ length: 5000 }, (_, at) => `tenant/model-${at}`);
    const before = PersistentMap.of<string, number>(ids.map((id) => [id, 0] as const));
    const after = before.with([
      [ids[7] ?? '', 1],
      [ids[4000] ?? '', undefined],
      ['new', 2],
    ]);
    expect(new Map(after.changesFrom(before))).toEqual(
      new Map<string, number | undefined>([
        [ids[7] ?? '', 1],
        [ids[4000] ?? '', undefined],
        ['new', 2],
      ]),
    );
    expect([after.size, [...after.keys()].length, [...after.values()].length]).toEqual([5000, 5000, 5000]);
    expect([...after.changesFrom(after)]).toEqual([]);
  });
});
