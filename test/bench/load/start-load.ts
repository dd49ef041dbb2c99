import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { LoadJob, LoadResult } from './load-job';

/** As it is built: a process that ran under a compiler would measure that, too. */
const SCRIPT = join(__dirname, '../../../test/dist/bench/load/load-process.js');
const OUTPUT_BYTES_MAX = 1 << 20;
/** Beyond the time measured: connections, warm-up, draining. */
const PATIENCE_MS = 120_000;

/** Runs a job in a process of its own. Throws its sentence where it fails. */
export async function startLoad(job: LoadJob): Promise<LoadResult> {
  const timeout = PATIENCE_MS + (job.until.kind === 'time' ? job.until.ms : 0);
  const args = ['--max-semi-space-size=64', SCRIPT, JSON.stringify(job)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: OUTPUT_BYTES_MAX, timeout });
  return JSON.parse(stdout) as LoadResult;
}
