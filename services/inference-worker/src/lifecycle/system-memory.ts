import { readFileSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';

/** What of the machine's memory this process may use, and what of that nobody uses now. In bytes. */
export interface SystemMemory {
  /** The least of what the setting, the control group and the machine allow. */
  totalBytes(): number;
  /** The least of what the control group and the machine have left. */
  availableBytes(): number;
  /** What this process holds: its resident set. */
  residentBytes(): number;
}

/** Reads a small text file; undefined when there is none. */
export type ReadText = (path: string) => string | undefined;

/** Control groups of version 2 and 1: where their files lie, and what says how much of the use is reclaimable page cache. */
const HIERARCHIES = [
  {
    root: '/sys/fs/cgroup',
    line: /^0::(.*)$/m,
    limit: 'memory.max',
    used: 'memory.current',
    cache: /^inactive_file (\d+)$/m,
  },
  {
    root: '/sys/fs/cgroup/memory',
    line: /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m,
    limit: 'memory.limit_in_bytes',
    used: 'memory.usage_in_bytes',
    cache: /^total_inactive_file (\d+)$/m,
  },
] as const;

/**
 * The memory of this machine, as Linux tells it; elsewhere, as node does.
 * @param limitBytes what the worker may use, if that was set
 */
export function systemMemory(limitBytes: number | undefined, readText: ReadText = readTextFile): SystemMemory {
  const groups = controlGroups(readText);
  return {
    totalBytes: () => Math.min(limitBytes ?? Infinity, totalmem(), ...groups.map((group) => group.limitBytes)),
    availableBytes: () =>
      Math.min(machineAvailable(readText), ...groups.map((group) => groupAvailable(group, readText))),
    residentBytes: () => process.memoryUsage.rss(),
  };
}

interface ControlGroup {
  readonly folder: string;
  readonly limitBytes: number;
  readonly hierarchy: (typeof HIERARCHIES)[number];
}

/** The groups with a limit that this process is in: its own and those around it. */
function controlGroups(readText: ReadText): readonly ControlGroup[] {
  const membership = readText('/proc/self/cgroup') ?? '';
  return HIERARCHIES.flatMap((hierarchy) => {
    const path = hierarchy.line.exec(membership)?.[1];
    if (path === undefined) return [];
    const names = path.split('/').filter(Boolean);
    return Array.from({ length: names.length + 1 }, (_, depth) =>
      [hierarchy.root, ...names.slice(0, depth)].join('/'),
    ).flatMap((folder) => {
      // "max" is no limit in version 2; version 1 says so with a number that no machine has.
      const limitBytes = Number(readText(`${folder}/${hierarchy.limit}`) ?? NaN);
      return limitBytes < totalmem() ? [{ folder, limitBytes, hierarchy }] : [];
    });
  });
}

function groupAvailable({ folder, limitBytes, hierarchy }: ControlGroup, readText: ReadText): number {
  const used = Number(readText(`${folder}/${hierarchy.used}`) ?? NaN);
  if (Number.isNaN(used)) return Infinity;
  const cache = Number(hierarchy.cache.exec(readText(`${folder}/memory.stat`) ?? '')?.[1] ?? 0);
  return Math.max(0, limitBytes - used + cache);
}

function machineAvailable(readText: ReadText): number {
  const kibibytes = /^MemAvailable:\s+(\d+) kB$/m.exec(readText('/proc/meminfo') ?? '')?.[1];
  return kibibytes === undefined ? freemem() : Number(kibibytes) * 1024;
}

function readTextFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
