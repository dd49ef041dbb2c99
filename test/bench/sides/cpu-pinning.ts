import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** Lets all threads of a process run on these processors only. Throws where the system does not let us. */
export function pin(pid: number, processors: readonly number[]): void {
  execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', processors.join(','), String(pid)], { stdio: 'pipe' });
}

/** The last processor, and all others; undefined where there is one only. */
export function splitProcessors(): { readonly last: number; readonly others: readonly number[] } | undefined {
  const count = availableParallelism();
  if (count < 2) return undefined;
  return { last: count - 1, others: Array.from({ length: count - 1 }, (_, index) => index) };
}
