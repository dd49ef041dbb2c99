import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import {
  SUPERVISED_VARIABLE,
  SUPERVISOR_FD,
  type ChildMessage,
  type ServiceFacts,
  type StartProgress,
} from '@bms/lifecycle';

/** How one run of a child ended. */
export interface ChildExit {
  /** "exit code 1" or "SIGKILL". */
  readonly how: string;
  /** The sentence with which the child gave up, if it said one. */
  readonly sentence: string | undefined;
  readonly exitCode: number | null;
}

export interface ChildOptions {
  readonly nodeFlags: readonly string[];
  /** The JavaScript file to run. */
  readonly script: string;
  readonly flags: readonly string[];
  /** An open file that takes the child's stdout and stderr. */
  readonly logFd: number;
  readonly env: NodeJS.ProcessEnv;
  /** Told how far a start is that takes long. */
  readonly onProgress?: (step: StartProgress) => void;
}

/** One run of one service process, linked to this one by a pipe: when this process dies, so does the child. */
export class ServiceProcess {
  /** Resolves when the child serves; rejects with its sentence when it ends before. */
  readonly ready: Promise<ServiceFacts>;
  readonly exited: Promise<ChildExit>;
  private readonly child: ChildProcess;

  constructor(options: ChildOptions) {
    this.child = spawn(process.execPath, [...options.nodeFlags, options.script, ...options.flags], {
      stdio: ['ignore', options.logFd, options.logFd, 'pipe'],
      env: { ...options.env, [SUPERVISED_VARIABLE]: '1' },
    });
    let sentence: string | undefined;
    this.exited = new Promise((resolve) => {
      this.child.once('error', (error) => resolve({ how: 'not started', sentence: error.message, exitCode: null }));
      // 'close' comes after the pipe has been read to its end, so that the sentence is there.
      this.child.once('close', (code, signal) =>
        resolve({ how: signal ?? `exit code ${code ?? '?'}`, sentence, exitCode: code }),
      );
    });
    this.ready = new Promise((resolve, reject) => {
      const pipe = this.child.stdio[SUPERVISOR_FD] as Readable | null | undefined;
      if (pipe !== null && pipe !== undefined) {
        pipe.on('error', () => undefined); // a child that is gone; `exited` tells
        createInterface({ input: pipe }).on('line', (line) => {
          const message = JSON.parse(line) as ChildMessage;
          switch (message.kind) {
            case 'ready':
              return resolve(message.facts);
            case 'progress':
              return options.onProgress?.(message);
            case 'failed':
              sentence = message.sentence;
          }
        });
      }
      void this.exited.then((exit) => reject(new Error(exit.sentence ?? `it ended (${exit.how})`)));
    });
    this.ready.catch(() => undefined); // whoever waits sees it; nobody has to
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  signal(name: 'SIGTERM' | 'SIGKILL'): void {
    this.child.kill(name);
  }
}
