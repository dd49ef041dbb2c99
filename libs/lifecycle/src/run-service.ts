import { HelpWanted, SETTINGS_EXIT_CODE, SettingsError } from '@bms/settings';
import { FolderTakenError } from './folder-lock';
import { openSupervisorLink, SUPERVISED_VARIABLE, type ServiceFacts, type StartProgress } from './supervisor-link';

/** A service that serves. */
export interface RunningService {
  /** Told to the supervisor, and by it to people: addresses. */
  readonly facts: ServiceFacts;
  /** Stops taking work, finishes what is in flight, closes. Aborting `signal` means: now. */
  stop(signal: AbortSignal): Promise<void>;
}

/** What a service is given to run with. */
export interface ServiceEnvironment {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted when the process is asked to stop, also while it still starts. */
  readonly signal: AbortSignal;
  /** Tells the supervisor how far a start is that takes long. */
  progress(step: StartProgress): void;
  /**
   * Ends the whole process as on SIGTERM, for a service that wants to be started afresh.
   * @param exitCode of the process, 0 by default; with another one the supervisor is told the reason
   */
  requestStop(reason: string, exitCode?: number): void;
}

/** Signals that come within this time after the first are the same wish, such as one Ctrl-C that arrives twice. */
const SAME_WISH_MS = 1_000;
/** How a process ends that cannot serve yet, for a reason outside of this machine: starting it again may help. */
export const NOT_YET_EXIT_CODE = 75;
/** After this, what is in flight is cut off. */
const STOP_BOUND_MS = 30_000;
const HOLD_MS = 60_000;

/**
 * The life of a service process: starts it, tells the supervisor, drains on SIGTERM (and on SIGINT, unless a
 * supervisor handles that), stops at once on a later second signal or when the supervisor is gone, ends the process.
 * Exit codes: 0 stopped, or `--help` was shown; 1 failed, the reason in one sentence on stderr; 2 a wrong setting; 75 it cannot serve yet; another
 * one where the service asked to be stopped with it.
 */
export async function runService(start: (environment: ServiceEnvironment) => Promise<RunningService>): Promise<void> {
  const { env } = process;
  const supervised = env[SUPERVISED_VARIABLE] !== undefined;
  const stopNow = new AbortController();
  const stopAsked = new AbortController();
  let running: Promise<RunningService> | undefined;
  let stoppingSinceMs: number | undefined;
  let stoppedCode = 0;

  const fail = (error: unknown): never => {
    // A start that was called off is no failure.
    if (stopAsked.signal.aborted && error === stopAsked.signal.reason) process.exit(stoppedCode);
    if (error instanceof HelpWanted) {
      process.stdout.write(`${error.message}\n`);
      process.exit(0);
    }
    const sentence = sentenceOf(error);
    const exitCode = exitCodeOf(error);
    process.stderr.write(`${sentence}\n`);
    link?.tell({ kind: 'failed', sentence, exitCode });
    process.exit(exitCode);
  };

  const stop = (): void => {
    const nowMs = performance.now();
    if (stoppingSinceMs !== undefined) {
      // A supervisor that wants an end at once kills; a second SIGTERM to a whole group must not cut drains short.
      if (!supervised && nowMs - stoppingSinceMs > SAME_WISH_MS) process.exit(1);
      return;
    }
    stoppingSinceMs = nowMs;
    stopAsked.abort();
    setTimeout(() => stopNow.abort(), STOP_BOUND_MS).unref();
    void Promise.resolve(running)
      .then((service) => service?.stop(stopNow.signal))
      .then(() => process.exit(stoppedCode), fail);
  };

  const link = openSupervisorLink(env, () => {
    stopNow.abort();
    setTimeout(() => process.exit(1), SAME_WISH_MS).unref();
    stop();
  });
  const requestStop = (reason: string, exitCode = 0): void => {
    if (stoppingSinceMs === undefined && exitCode !== 0) {
      stoppedCode = exitCode;
      link?.tell({ kind: 'failed', sentence: reason, exitCode });
    }
    stop();
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', supervised ? () => undefined : stop);
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);

  // A start may wait for others by timers that hold no process; it must not end in silence meanwhile.
  const starting = setInterval(() => undefined, HOLD_MS);
  try {
    running = start({
      argv: process.argv.slice(2),
      env,
      signal: stopAsked.signal,
      progress: (step) => link?.tell({ kind: 'progress', ...step }),
      requestStop,
    });
    const { facts } = await running;
    link?.tell({ kind: 'ready', facts });
  } catch (error) {
    fail(error);
  } finally {
    clearInterval(starting);
  }
}

function exitCodeOf(error: unknown): number {
  if (error instanceof SettingsError) return SETTINGS_EXIT_CODE;
  return error instanceof StartError && error.mayHelpToWait ? NOT_YET_EXIT_CODE : 1;
}

/** What went wrong: one sentence where it was foreseen, the stack where it was not. */
function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof SettingsError || error instanceof StartError) return error.message;
  if (error instanceof FolderTakenError) return `${error.message}: choose another with --data, or stop that process`;
  return error.stack ?? error.message;
}

/** A service cannot start, for a reason that whoever runs it can mend; the message says how. */
export class StartError extends Error {
  override readonly name = 'StartError';
  /** Whether it may start later without anybody changing anything here: what it needs beyond this machine is not there yet. */
  readonly mayHelpToWait: boolean;

  constructor(message: string, options: ErrorOptions & { readonly mayHelpToWait?: boolean } = {}) {
    super(message, options);
    this.mayHelpToWait = options.mayHelpToWait ?? false;
  }
}
