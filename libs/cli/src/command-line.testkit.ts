import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BmsClient } from '@bms/sdk';
import { FakeMesh } from '@bms/sdk/testkit';
import type { CliContext } from './cli-context';
import { runProgram } from './program';

/** What a command did. */
export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The command line as it runs, against a mesh in memory, with a clock that stands still. */
export class CommandLineUnderTest {
  /** Milliseconds since 1970, in the clock's view; near to the real time, as deadlines are compared with that. */
  static readonly NOW_MS = Date.now();
  readonly folder = mkdtempSync(join(tmpdir(), 'bms-cli-'));
  env: Record<string, string> = {};
  private interrupt: () => void = () => undefined;

  private constructor(readonly mesh: FakeMesh) {}

  static async start(): Promise<CommandLineUnderTest> {
    return new CommandLineUnderTest(await FakeMesh.start());
  }

  /** Runs `bms …` with the mesh's address and a token. */
  async run(...argv: readonly string[]): Promise<CommandResult> {
    return this.runRaw({ BMS_ADMIN: this.mesh.address, BMS_TOKEN: 'secret', ...this.env }, argv);
  }

  /** Runs `bms …` in an environment of the spec's own. */
  async runRaw(env: Readonly<Record<string, string>>, argv: readonly string[]): Promise<CommandResult> {
    let stdout = '';
    let stderr = '';
    const context: CliContext = {
      terminal: {
        out: (text) => void (stdout += text),
        err: (text) => void (stderr += text),
        isInteractive: false,
        columns: 100,
      },
      env,
      now: () => CommandLineUnderTest.NOW_MS,
      onInterrupt: (listener) => {
        this.interrupt = listener;
        return () => (this.interrupt = () => undefined);
      },
      createClient: (options) => new BmsClient(options),
    };
    return { exitCode: await runProgram(context, argv), stdout, stderr };
  }

  /** Ctrl-C. */
  pressCtrlC(): void {
    this.interrupt();
  }

  /** Writes a file into the spec's folder; answers its path. */
  file(name: string, content: string | Uint8Array): string {
    const path = join(this.folder, name);
    writeFileSync(path, content);
    return path;
  }

  async stop(): Promise<void> {
    await this.mesh.close();
    rmSync(this.folder, { recursive: true });
  }
}
