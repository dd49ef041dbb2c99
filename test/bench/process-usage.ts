import { readFileSync } from 'node:fs';

/** Of Linux, on every architecture that Node.js runs on. */
const TICKS_PER_SECOND = 100;

export interface Memory {
  readonly residentBytes: number;
  /** The most since the process began. */
  readonly peakBytes: number;
}

/** What the operating system says a process holds. */
export function memoryOf(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const bytes = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024;
  return { residentBytes: bytes('VmRSS'), peakBytes: bytes('VmHWM') };
}

/** Processor time that a process has taken so far, in seconds, of all its threads. */
export function cpuSecondsOf(pid: number): number {
  const fields = statOf(pid);
  // User and system time are the 12th and 13th field behind the name.
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** The same of all children of this process that have ended, together. */
export function endedChildrenCpuSeconds(): number {
  const fields = statOf(process.pid);
  return (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND;
}

/** The fields behind the name, which, in parentheses, may hold anything. */
function statOf(pid: number): readonly string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** Samples a process's resident memory until stopped, and answers the most that was seen. */
export function watchPeak(pid: number, everyMs = 100): { stop(): number } {
  let peakBytes = memoryOf(pid).residentBytes;
  const look = (): void => {
    peakBytes = Math.max(peakBytes, memoryOf(pid).residentBytes);
  };
  const timer = setInterval(look, everyMs);
  return {
    stop: () => {
      clearInterval(timer);
      look();
      return peakBytes;
    },
  };
}
