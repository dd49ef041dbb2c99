import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { ServiceFacts } from '@bms/lifecycle';
import { nodeFlags } from '../../libs/cli/src/mesh/node-flags';
import { ServiceProcess } from '../../libs/cli/src/mesh/service-process';
import type { BenchmarkContext } from './benchmark';

const ROOT = join(__dirname, '../..');

export type ServiceKind = 'registry' | 'router' | 'admin' | 'inference-worker';

/** A service as a process of its own, as `bms up` starts it. */
export class RunningService {
  private constructor(
    private readonly run: ServiceProcess,
    readonly facts: ServiceFacts,
    /** From the start of the process until it served. */
    readonly startMs: number,
    /** The file that takes what it says. */
    readonly log: string,
  ) {}

  /**
   * Starts it on free ports and resolves once it serves. It is killed when the benchmark ends, unless it was stopped.
   * @param name of its log and state in the benchmark's folder
   * @param moreNodeFlags for Node.js itself, besides the service's own
   */
  static async start(
    context: BenchmarkContext,
    kind: ServiceKind,
    name: string,
    flags: readonly string[],
    moreNodeFlags: readonly string[] = [],
  ): Promise<RunningService> {
    const logs = join(context.folder, 'logs');
    mkdirSync(logs, { recursive: true });
    const log = join(logs, `${name}.log`);
    const logFd = openSync(log, 'a');
    const startedMs = performance.now();
    const run = new ServiceProcess({
      nodeFlags: [...nodeFlags(kind), ...moreNodeFlags],
      script: join(ROOT, 'services', kind, 'dist', 'main.js'),
      flags: ['--data', join(context.folder, 'data'), ...freePorts(kind), ...flags],
      logFd,
      env: process.env,
    });
    closeSync(logFd);
    context.atEnd(async () => {
      run.signal('SIGKILL');
      await run.exited;
    });
    const facts = await run.ready;
    return new RunningService(run, facts, performance.now() - startedMs, log);
  }

  get pid(): number {
    return this.run.pid as number;
  }

  /** `host:port` of its gRPC port. */
  get grpc(): string {
    return String(this.facts['grpc']);
  }

  /** One figure of its `/metrics`; without labels. */
  async metric(name: string): Promise<number> {
    const answer = await fetch(`http://${String(this.facts['operations'])}/metrics`);
    return metricIn(await answer.text(), name);
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    this.run.signal(signal);
    await this.run.exited;
  }
}

/** The sum over all labels of a figure in Prometheus' text format; NaN where it is not there. */
export function metricIn(text: string, name: string, labels = ''): number {
  const lines = text.split('\n').filter((line) => line.startsWith(name) && /^[{ ]/.test(line.slice(name.length)));
  const chosen = lines.filter((line) => line.includes(labels));
  if (chosen.length === 0) return NaN;
  return chosen.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

function freePorts(kind: ServiceKind): string[] {
  const ports = ['grpc', 'operations', ...(kind === 'router' ? ['rest'] : []), ...(kind === 'admin' ? ['http'] : [])];
  return ports.flatMap((port) => [`--${port}-port`, '0']);
}
