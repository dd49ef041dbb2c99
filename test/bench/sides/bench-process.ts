import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { ServiceProcess } from '../../../libs/cli/src/mesh/service-process';
import type { BenchmarkContext } from '../benchmark';

const BUILT = join(__dirname, '../../../test/dist/bench');

/** A process of the benchmark's own that serves something: a script beside this one, as it is built. */
export interface BenchProcess {
  readonly pid: number;
  /** `host:port` */
  readonly address: string;
  stop(): Promise<void>;
}

export interface BenchScript {
  /** Its path from the folder of benchmarks, without the extension. */
  readonly script: string;
  readonly flags?: readonly string[];
  readonly nodeFlags?: readonly string[];
}

/** Resolves once it serves. It is killed when the benchmark ends, unless it was stopped. */
export async function startBenchProcess(
  context: BenchmarkContext,
  { script, flags = [], nodeFlags = [] }: BenchScript,
): Promise<BenchProcess> {
  const logs = join(context.folder, 'logs');
  mkdirSync(logs, { recursive: true });
  const logFd = openSync(join(logs, 'rivals.log'), 'a');
  const run = new ServiceProcess({ nodeFlags, script: join(BUILT, `${script}.js`), flags, logFd, env: process.env });
  closeSync(logFd);
  const stop = async (): Promise<void> => {
    run.signal('SIGKILL');
    await run.exited;
  };
  context.atEnd(stop);
  const facts = await run.ready;
  return { pid: run.pid as number, address: String(facts['address']), stop };
}
