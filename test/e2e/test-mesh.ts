import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { meshService } from '@bms/contracts';
import { BmsClient } from '@bms/sdk';

export const ROOT = resolve(__dirname, '../..');
const BMS = join(ROOT, 'libs/cli/bin/bms.js');
/** What `bms up` prints once predictions flow. */
const UP_LINE = /^BMS is up/;

export interface TestMeshOptions {
  /** Push the digits example; true by default. */
  readonly example?: boolean;
  readonly flags?: readonly string[];
  /** What its processes find in their environment besides this one's. */
  readonly env?: Readonly<Record<string, string>>;
  /** A folder from an earlier mesh; a fresh one by default. */
  readonly data?: string;
}

/** A whole mesh of real processes with a folder and ports of its own, as `bms up` starts it. */
export class TestMesh {
  private constructor(
    private readonly child: ChildProcess,
    readonly data: string,
    readonly portBase: number,
    /** All that `bms up` has printed. */
    readonly lines: readonly string[],
  ) {}

  static async start(options: TestMeshOptions = {}): Promise<TestMesh> {
    const data = options.data ?? mkdtempSync(join(tmpdir(), 'bms-e2e-'));
    for (let attempt = 0; ; attempt++) {
      // Below the ports that systems give to outgoing connections (32,768 and up): a service that starts again finds its own free.
      const portBase = 12_000 + 500 * Math.floor(Math.random() * 40);
      const flags = ['up', '--data', data, '--port-base', String(portBase), ...(options.flags ?? [])];
      if (options.example ?? true) flags.push('--example');
      // A group of its own, so that a test can kill all of it as a terminal or an operator would.
      const child = spawn(process.execPath, [BMS, ...flags], {
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
        cwd: ROOT,
        env: { ...process.env, ...options.env },
      });
      const lines: string[] = [];
      const errors: string[] = [];
      createInterface({ input: child.stderr }).on('line', (line) => errors.push(line));
      const up = new Promise<boolean>((resolveUp) => {
        createInterface({ input: child.stdout }).on('line', (line) => {
          lines.push(line);
          if (UP_LINE.test(line)) resolveUp(true);
        });
        child.once('exit', () => resolveUp(false));
      });
      if (await up) return new TestMesh(child, data, portBase, lines);
      if (attempt < 5 && errors.join('\n').includes('is taken')) continue;
      throw new Error(`bms up ended:\n${[...lines, ...errors].join('\n')}`);
    }
  }

  get pid(): number {
    return this.child.pid as number;
  }

  get token(): string {
    return readFileSync(join(this.data, 'service-token'), 'utf8').trim();
  }

  address(offset: number): string {
    return `127.0.0.1:${this.portBase + offset}`;
  }

  get router(): string {
    return this.address(0);
  }

  get rest(): string {
    return `http://${this.address(1)}`;
  }

  client(options: { readonly token?: string | undefined } = { token: this.token }): BmsClient {
    return new BmsClient({
      router: this.router,
      admin: this.address(100),
      ...(options.token === undefined ? {} : { token: options.token }),
      principal: 'e2e',
    });
  }

  /** Runs a verb of the command line against this mesh. */
  async bms(
    ...args: readonly string[]
  ): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
    return runBms([...args, '--data', this.data, '--port-base', String(this.portBase)]);
  }

  /** The processes of the mesh, by name, as the operating system sees them: children of the supervisor. */
  pids(): Readonly<Record<string, number>> {
    const pids: Record<string, number> = {};
    for (const line of this.lines) {
      const match = /^((?:registry|router|admin|worker)(?:-[0-9]+)?) +\(?pid ([0-9]+)/.exec(line);
      if (match !== null && !line.includes('ended')) pids[match[1] ?? ''] = Number(match[2]);
    }
    return pids;
  }

  /** Kills a service and resolves once its successor serves. */
  async killAndAwaitSuccessor(name: string, signal: NodeJS.Signals): Promise<void> {
    const before = this.lines.filter((line) => line.startsWith(name) && line.includes('serves again')).length;
    process.kill(this.pids()[name] as number, signal);
    await this.until(
      () => this.lines.filter((line) => line.startsWith(name) && line.includes('serves again')).length > before,
    );
  }

  /** Resolves once `holds`, looking again after each line of output and at short intervals. */
  async until(holds: () => boolean | Promise<boolean>, boundMs = 30_000): Promise<void> {
    const endMs = Date.now() + boundMs;
    while (!(await holds())) {
      if (Date.now() > endMs)
        throw new Error(`it did not come to hold within ${boundMs} ms; output:\n${this.lines.join('\n')}`);
      await new Promise((next) => setTimeout(next, 20));
    }
  }

  async status(): Promise<meshService.GetMeshStatusResponse> {
    const client = this.client();
    try {
      return await client.mesh.getMeshStatus({ tenant: 'default' });
    } finally {
      client.close();
    }
  }

  /** SIGTERM, then the exit code; the folder goes unless it is kept. */
  async stop(options: { readonly keepData?: boolean } = {}): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill('SIGTERM');
      await once(this.child, 'exit');
    }
    if (options.keepData !== true) rmSync(this.data, { recursive: true, force: true });
    return this.child.exitCode;
  }

  /** kill -9 of every process of the mesh at once. */
  async killGroup(): Promise<void> {
    process.kill(-this.pid, 'SIGKILL');
    await once(this.child, 'exit');
  }
}

/** A command that takes longer hangs: it is killed, so that its test fails and the run ends. */
const COMMAND_BOUND_MS = 120_000;

/** Runs the command line once. */
export async function runBms(
  args: readonly string[],
  boundMs = COMMAND_BOUND_MS,
): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
  const child = spawn(process.execPath, [BMS, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: ROOT,
    timeout: boundMs,
    killSignal: 'SIGKILL',
  });
  const read = async (stream: Readable): Promise<string> => {
    const parts: string[] = [];
    for await (const part of stream.setEncoding('utf8')) parts.push(part as string);
    return parts.join('');
  };
  const [out, err] = await Promise.all([read(child.stdout), read(child.stderr)]);
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return { code: child.exitCode, out, err };
}
