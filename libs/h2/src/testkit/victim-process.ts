import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { rawCall } from './raw-call';
import { RawPeer } from './raw-peer';
import { TargetPath, type TargetOptions } from './target';
import type { VictimReport } from './victim';

const WARM_CALLS = 2_000;

/** A {@link Target} in a process of its own: what an attack costs in memory is measured there. */
export class VictimProcess {
  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
  ) {}

  /** Starts it and makes it warm, so that what grows afterwards is the attack's doing. */
  static async start(options: Omit<TargetOptions, 'tls'> = {}): Promise<VictimProcess> {
    const child = fork(join(__dirname, 'victim.ts'), [JSON.stringify(options)], {
      execArgv: ['--conditions=@bms/source', '--import', 'tsx', '--expose-gc', '--max-semi-space-size=2'],
    });
    const [{ port }] = (await once(child, 'message')) as [{ port: number }];
    const victim = new VictimProcess(child, port);
    const peer = await RawPeer.open(port, [], { credits: 'lots' });
    for (let i = 0; i < WARM_CALLS; i += 1) await rawCall(peer, 2 * i + 1, TargetPath.ECHO, 'warm');
    await peer.close();
    return victim;
  }

  async report(): Promise<VictimReport> {
    this.child.send('report');
    const [report] = (await once(this.child, 'message')) as [VictimReport];
    return report;
  }

  /** By how much its memory had grown at the worst moment of `attack`, above what it has before. */
  async growthDuring(attack: () => Promise<unknown>): Promise<number> {
    const before = await this.report();
    await attack();
    const after = await this.report();
    return (
      Math.max(after.rssBytes, after.rssMostBytes > before.rssMostBytes ? after.rssMostBytes : 0) - before.rssBytes
    );
  }

  async close(): Promise<void> {
    if (this.child.exitCode !== null) return;
    this.child.disconnect();
    await once(this.child, 'exit');
  }
}
