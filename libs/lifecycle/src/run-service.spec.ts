import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

// The build, in a process of its own: `npm test` makes it first.
const LIFECYCLE = resolve(__dirname, '../dist/index.js');
const SETTINGS = resolve(__dirname, '../../settings/dist/index.js');

/** A service that says on stdout what happens to it; its stop takes until "finish" comes on stdin. */
const SERVICE = `
  const { runService } = require(${JSON.stringify(LIFECYCLE)});
  void runService(async ({ argv }) => {
    process.stdin.resume();
    const finish = new Promise((resolve) => process.stdin.once('data', resolve));
    console.log('started');
    return { facts: { grpc: '127.0.0.1:1' }, stop: async (signal) => {
      console.log(signal.aborted ? 'stopping at once' : 'stopping');
      await finish;
      console.log('stopped');
    } };
  });
`;

class Running {
  private readonly lines: AsyncIterator<string>;
  private constructor(readonly child: ChildProcess) {
    this.lines = createInterface({ input: child.stdout as Readable })[Symbol.asyncIterator]();
  }

  static run(code: string, supervised = false): Running {
    const env = { ...process.env, ...(supervised ? { BMS_SUPERVISED: '1' } : {}) };
    return new Running(spawn(process.execPath, ['-e', code], { stdio: ['pipe', 'pipe', 'pipe', 'pipe'], env }));
  }

  async line(): Promise<string | undefined> {
    const next = await this.lines.next();
    return next.done === true ? undefined : next.value;
  }

  finish(): void {
    this.child.stdin?.write('finish\n');
  }

  async exitCode(): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
    return this.child.exitCode;
  }
}

describe('runService', () => {
  let running: Running | undefined;
  afterEach(() => running?.child.kill('SIGKILL'));

  it.each(['SIGTERM', 'SIGINT'] as const)('drains on %s and exits 0', async (signal) => {
    running = Running.run(SERVICE);
    expect(await running.line()).toBe('started');
    running.child.kill(signal);
    expect(await running.line()).toBe('stopping');
    running.finish();
    expect(await running.line()).toBe('stopped');
    expect(await running.exitCode()).toBe(0);
  });

  it('takes signals that come together for one wish', async () => {
    running = Running.run(SERVICE);
    await running.line();
    running.child.kill('SIGINT');
    running.child.kill('SIGTERM');
    expect(await running.line()).toBe('stopping');
    running.finish();
    expect(await running.line()).toBe('stopped');
    expect(await running.exitCode()).toBe(0);
  });

  it('leaves SIGINT to its supervisor, tells it when it is ready, and ends when it is gone', async () => {
    running = Running.run(SERVICE, true);
    const link = running.child.stdio[3] as Readable;
    const [message] = (await once(createInterface({ input: link }), 'line')) as [string];
    expect(JSON.parse(message)).toEqual({ kind: 'ready', facts: { grpc: '127.0.0.1:1' } });
    expect(await running.line()).toBe('started');
    running.child.kill('SIGINT');
    link.destroy();
    expect(await running.line()).toBe('stopping at once');
    running.finish();
    expect(await running.line()).toBe('stopped');
    expect(await running.exitCode()).toBe(0);
  });

  it('holds the process while it starts, whatever timers the start waits by', async () => {
    running = Running.run(
      `require(${JSON.stringify(LIFECYCLE)}).runService(async () => {
        await new Promise((resolve) => setTimeout(resolve, 50).unref());
        console.log('started');
        return { facts: {}, stop: async () => undefined };
      })`,
    );
    expect(await running.line()).toBe('started');
  });

  it.each([
    [`new (require(${JSON.stringify(SETTINGS)}).SettingsError)('setting x is wrong')`, 2, 'setting x is wrong\n'],
    [`new (require(${JSON.stringify(LIFECYCLE)}).StartError)('port 1 is taken')`, 1, 'port 1 is taken\n'],
  ])('says one sentence and exits when it cannot start: %s', async (error, code, sentence) => {
    running = Running.run(`require(${JSON.stringify(LIFECYCLE)}).runService(async () => { throw ${error}; })`);
    const [text] = (await once(running.child.stderr as Readable, 'data')) as [Buffer];
    expect(text.toString()).toBe(sentence);
    expect(await running.exitCode()).toBe(code);
  });
});
