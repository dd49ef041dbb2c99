import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** A process on a host of the test's network. */
export class HostProcess {
  /** Its last words, for when a test fails. */
  readonly lines: string[] = [];

  private constructor(readonly child: ChildProcess) {}

  /** Resolves once a line of its output matches `served`; throws with its output when it ends before. */
  static async start(command: readonly string[], served: RegExp): Promise<HostProcess> {
    const [program = '', ...args] = command;
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    const started = new HostProcess(child);
    const serves = new Promise<boolean>((resolve) => {
      for (const output of [child.stdout, child.stderr]) {
        createInterface({ input: output }).on('line', (line) => {
          started.lines.push(line);
          if (started.lines.length > 200) started.lines.shift();
          if (served.test(line)) resolve(true);
        });
      }
      child.once('close', () => resolve(false)); // all that it said has been read
    });
    if (await serves) return started;
    throw new Error(`${command.join(' ')} ended:\n${started.lines.join('\n')}`);
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** A line on its standard input. */
  tell(line: string): void {
    this.child.stdin?.write(`${line}\n`);
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGKILL');
    await once(this.child, 'exit');
  }
}
