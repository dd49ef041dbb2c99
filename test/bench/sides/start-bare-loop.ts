import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { BareLoop } from './bare-loop';

const SCRIPT = join(__dirname, '../../../test/dist/bench/sides/bare-loop.js');

/** Runs a second of the runtime alone, in a process of its own. */
export async function runBareLoop(loop: BareLoop): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, JSON.stringify(loop)]);
  return (JSON.parse(stdout) as { readonly perSecond: number }).perSecond;
}
