import { totalmem } from 'node:os';
import { MemoryLedger } from './memory-ledger';
import { systemMemory, type SystemMemory } from './system-memory';

const GIB = 2 ** 30;

function files(texts: Readonly<Record<string, string>>): (path: string) => string | undefined {
  return (path) => texts[path];
}

describe('systemMemory', () => {
  const meminfo = { '/proc/meminfo': `MemTotal: 9 kB\nMemAvailable:   ${4 * 2 ** 20} kB\n` };

  it('takes the machine as it is where nothing limits it', () => {
    const memory = systemMemory(
      undefined,
      files({ ...meminfo, '/proc/self/cgroup': '0::/', '/sys/fs/cgroup/memory.max': 'max' }),
    );
    expect(memory.totalBytes()).toBe(totalmem());
    expect(memory.availableBytes()).toBe(4 * GIB);
    expect(memory.residentBytes()).toBeGreaterThan(10_000_000);
  });

  it.each([
    [
      'version 2, also a group around its own',
      {
        '/proc/self/cgroup': '0::/outer/inner',
        '/sys/fs/cgroup/outer/inner/memory.max': 'max',
        '/sys/fs/cgroup/outer/memory.max': String(2 * GIB),
        '/sys/fs/cgroup/outer/memory.current': String(1.5 * GIB),
        '/sys/fs/cgroup/outer/memory.stat': `anon 5\ninactive_file ${0.25 * GIB}\n`,
      },
    ],
    [
      'version 1, whose numbers stand for no limit as well',
      {
        '/proc/self/cgroup': '3:cpu,cpuacct:/x\n2:memory:/inner\n0::/',
        '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712',
        '/sys/fs/cgroup/memory/inner/memory.limit_in_bytes': String(2 * GIB),
        '/sys/fs/cgroup/memory/inner/memory.usage_in_bytes': String(1.5 * GIB),
        '/sys/fs/cgroup/memory/inner/memory.stat': `inactive_file 1\ntotal_inactive_file ${0.25 * GIB}\n`,
      },
    ],
  ])('knows a control group of %s', (_, group) => {
    const memory = systemMemory(undefined, files({ ...meminfo, ...group }));
    expect(memory.totalBytes()).toBe(2 * GIB);
    expect(memory.availableBytes()).toBe(0.75 * GIB);
  });

  it('takes the limit that was set, if it is the least', () => {
    expect(systemMemory(GIB, files(meminfo)).totalBytes()).toBe(GIB);
    expect(systemMemory(2 ** 60, files(meminfo)).totalBytes()).toBe(totalmem());
  });
});

describe('MemoryLedger', () => {
  function setUp(): { resident: number; available: number; ledger: MemoryLedger } {
    const state = { resident: GIB, available: 100 * GIB } as {
      resident: number;
      available: number;
      ledger: MemoryLedger;
    };
    const memory: SystemMemory = {
      totalBytes: () => 8 * GIB,
      availableBytes: () => state.available,
      residentBytes: () => state.resident,
    };
    state.ledger = new MemoryLedger(memory, 0.5);
    return state;
  }

  it('measures what a load makes the process grow by', () => {
    const state = setUp();
    const load = state.ledger.measure();
    state.resident += 300;
    expect(load.end()).toBe(300);
    state.resident += 50; // nobody's
    const second = state.ledger.measure();
    state.resident -= 20;
    expect(second.end()).toBe(0);
  });

  it('splits what several loads took at the same time, so that the sum is right', () => {
    const state = setUp();
    const first = state.ledger.measure();
    state.resident += 100;
    const second = state.ledger.measure();
    state.resident += 200;
    const one = first.end();
    state.resident += 40;
    expect([one, second.end()]).toEqual([200, 140]);
  });

  it('takes for free what both its own limit and the machine have left', () => {
    const state = setUp();
    expect(state.ledger.freeBytes()).toBe(7 * GIB);
    state.available = 2 * GIB;
    expect(state.ledger.freeBytes()).toBe(2 * GIB);
    expect(state.ledger.report()).toEqual({
      totalBytes: BigInt(8 * GIB),
      freeBytes: BigInt(2 * GIB),
      residentBytes: BigInt(GIB),
    });
    state.resident = 9 * GIB;
    expect(state.ledger.freeBytes()).toBe(0);
  });

  it('is fragmented when most of the memory is held for no replica', () => {
    const state = setUp();
    state.resident = 6 * GIB;
    expect(state.ledger.isFragmented(5 * GIB)).toBe(false);
    expect(state.ledger.isFragmented(2 * GIB)).toBe(false);
    expect(state.ledger.isFragmented(0.5 * GIB)).toBe(true);
  });
});
