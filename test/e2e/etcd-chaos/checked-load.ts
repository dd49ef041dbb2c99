import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT, type TestMesh } from '../test-mesh';

/** What `bms load --json` says at its end. */
export interface LoadSummary {
  readonly sent: number;
  readonly right: number;
  readonly failed: number;
  readonly wrong: number;
  readonly abandoned: number;
  /** What was wrong about the first wrong answer; null: none was. */
  readonly firstDifference: string | null;
  /** How often which failure. */
  readonly failures: Readonly<Record<string, number>>;
  /** How many answers each version gave. */
  readonly versions: Readonly<Record<string, number>>;
}

export interface CheckedLoadOptions {
  /** `host:port` of each, with commas between. */
  readonly routers: string;
  readonly ratePerSecond: number;
  /** How often the client tries a request in all. */
  readonly attempts: number;
}

/** `bms load` on the digits, each answer checked, from {@link start} until {@link end}. */
export class CheckedLoad {
  private constructor(
    private readonly child: ChildProcess,
    private readonly lines: readonly string[],
    private readonly errors: readonly string[],
  ) {}

  /** Resolves once requests have been under way for a second. */
  static async start(mesh: TestMesh, { routers, ratePerSecond, attempts }: CheckedLoadOptions): Promise<CheckedLoad> {
    const flags = ['--rate', String(ratePerSecond), '--attempts', String(attempts), '--seconds', '600', '--json'];
    const to = ['--data', mesh.data, '--port-base', String(mesh.portBase), '--router', routers];
    const child = spawn(process.execPath, [join(ROOT, 'libs/cli/bin/bms.js'), 'load', 'digits', ...flags, ...to], {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: ROOT,
    });
    const lines: string[] = [];
    const errors: string[] = [];
    createInterface({ input: child.stderr }).on('line', (line) => errors.push(line));
    const output = createInterface({ input: child.stdout });
    output.on('line', (line) => lines.push(line));
    await Promise.race([once(output, 'line'), once(child, 'close')]);
    if (lines.length > 0) return new CheckedLoad(child, lines, errors);
    throw new Error(`bms load did not begin: ${errors.join('\n')}`);
  }

  /** No more requests; resolves with what became of all when those under way are answered. */
  async end(): Promise<LoadSummary> {
    if (this.child.exitCode === null) {
      const closed = once(this.child, 'close'); // all that it said has been read
      this.child.kill('SIGINT');
      await closed;
    }
    const last = this.lines.at(-1) ?? '';
    const { summary } = JSON.parse(last) as { readonly summary?: LoadSummary };
    if (summary === undefined) throw new Error(`bms load broke off: ${last} ${this.errors.join('\n')}`);
    return summary;
  }
}
