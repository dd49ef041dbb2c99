import { DynamicTable } from './dynamic-table';
import { seeded } from './seeded.testkit';
import { heapGrowthBytes } from './heap-growth.testkit';

function fieldsOf(table: DynamicTable): [string, string][] {
  return Array.from({ length: table.length }, (_, age) => [table.name(age), table.value(age)]);
}

describe('DynamicTable', () => {
  it('holds the newest fields, first the newest, whatever is added and however its limit moves', () => {
    const below = seeded(5);
    const table = new DynamicTable();
    let model: [string, string][] = [];
    for (let round = 0; round < 5_000; round++) {
      if (below(50) === 0) {
        table.setLimit(below(4_097));
      } else {
        const field: [string, string] = ['n'.repeat(below(20)), 'v'.repeat(below(below(30) === 0 ? 5_000 : 60))];
        table.add(...field);
        model.unshift(field);
      }
      let bytes = 0;
      const fitting = model.findIndex(([name, value]) => (bytes += name.length + value.length + 32) > table.limitBytes);
      if (fitting >= 0) model = model.slice(0, fitting);
      expect(fieldsOf(table)).toEqual(model);
      expect(table.bytes).toBe(model.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0));
    }
  });

  it('is left empty by a field that is larger than all of it', () => {
    const table = new DynamicTable(100);
    table.add('a', '1');
    table.add('b', 'x'.repeat(68));
    expect([table.length, table.bytes]).toEqual([0, 0]);
  });

  it('takes a field that just fits', () => {
    const table = new DynamicTable(100);
    table.add('b', 'x'.repeat(67));
    expect([table.length, table.bytes]).toEqual([1, 100]);
  });

  it('keeps nothing of what it has evicted', () => {
    const tables = Array.from({ length: 100 }, () => new DynamicTable());
    const growth = heapGrowthBytes(() => {
      for (const table of tables) {
        for (let count = 0; count < 128; count++) table.add('', '');
        for (let count = 0; count < 128; count++) table.add('', Buffer.alloc(4_000, count).toString('latin1'));
      }
    });
    // 128 slots of 4,000 octets would be 51 MB in 100 tables
    expect(growth).toBeLessThan(2_000_000);
    expect(tables.map((table) => table.length)).toEqual(tables.map(() => 1));
  });
});
