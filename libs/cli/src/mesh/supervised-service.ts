import { NOT_YET_EXIT_CODE, StartError, type ServiceFacts } from '@bms/lifecycle';
import type { ChildExit, ServiceProcess } from './service-process';

/** A restart waits 0.1 s, twice as long after each death, at most 10 s; a run of 30 s starts that anew. */
export const RESTART_FIRST_MS = 100;
export const RESTART_MAX_MS = 10_000;
export const RESTART_FORGIVEN_AFTER_MS = 30_000;

/**
 * - `starting`: its process runs and does not serve yet
 * - `serving`
 * - `waiting`: it died; started again after a pause
 * - `stopping`: told to drain
 * - `stopped`: for good
 */
export type ServiceState =
  | { readonly kind: 'starting'; readonly run: ServiceProcess; readonly sinceMs: number }
  | { readonly kind: 'serving'; readonly run: ServiceProcess; readonly sinceMs: number }
  | { readonly kind: 'waiting'; readonly timer: NodeJS.Timeout }
  | { readonly kind: 'stopping'; readonly run: ServiceProcess }
  | { readonly kind: 'stopped' };

export interface SupervisedServiceOptions {
  readonly name: string;
  /** `previousExit` is how the run before ended ("SIGKILL", "exit code 1"); undefined for the first. */
  readonly start: (previousExit: string | undefined) => ServiceProcess;
  /** A line for people. */
  readonly say: (line: string) => void;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
}

/** Keeps one service running: starts it, starts it again when it dies, drains it once. */
export class SupervisedService {
  private state: ServiceState = { kind: 'stopped' };
  private deaths = 0;
  /** The mesh stops: what dies is left alone, and what still comes up says nothing. */
  private isEnding = false;
  /** What was said last of its end: a sentence that repeats itself is said once, until it serves again. */
  private saidOfEnd: string | undefined;

  constructor(private readonly options: SupervisedServiceOptions) {}

  get pid(): number | undefined {
    return 'run' in this.state ? this.state.run.pid : undefined;
  }

  /**
   * The first start: throws a StartError with the service's own sentence when it cannot serve. Only where it says that it cannot
   * serve yet it is tried again, until it serves or is stopped; then the answer is undefined.
   */
  async startFirst(signal: AbortSignal): Promise<ServiceFacts | undefined> {
    for (;;) {
      const run = this.launch();
      const giveUp = (): void => run.signal('SIGKILL'); // what does not serve yet has nothing to drain
      signal.addEventListener('abort', giveUp, { once: true });
      try {
        const facts = await run.ready;
        this.serve(run);
        return facts;
      } catch (error) {
        const { exitCode } = await run.exited;
        this.setState({ kind: 'stopped' });
        if (signal.aborted) return undefined;
        const sentence = (error as Error).message;
        if (exitCode !== NOT_YET_EXIT_CODE) {
          throw new StartError(`${this.options.name} cannot start: ${sentence}`, { cause: error });
        }
        this.sayOnce(`${this.options.name} cannot serve yet: ${sentence}; trying until it can`);
      } finally {
        signal.removeEventListener('abort', giveUp);
      }
      await this.pause(this.nextPauseMs(), signal);
      if (signal.aborted) return undefined;
    }
  }

  /** It is to be stopped soon, after others that it serves until then: it is not started again any more. */
  announceStop(): void {
    this.isEnding = true;
    if (this.state.kind !== 'waiting') return;
    clearTimeout(this.state.timer);
    this.setState({ kind: 'stopped' });
  }

  /** Drains and ends it; resolves when it is gone. */
  async stop(): Promise<void> {
    const { state } = this;
    if (state.kind === 'waiting') clearTimeout(state.timer);
    if (!('run' in state)) {
      this.setState({ kind: 'stopped' });
      return;
    }
    this.setState({ kind: 'stopping', run: state.run });
    state.run.signal('SIGTERM');
    const exit = await state.run.exited;
    if (exit.exitCode !== 0) this.options.say(`${this.options.name} did not end cleanly: ${exit.sentence ?? exit.how}`);
    this.setState({ kind: 'stopped' });
  }

  /** Ends it at once. */
  kill(): void {
    if (this.state.kind === 'waiting') clearTimeout(this.state.timer);
    if ('run' in this.state) this.state.run.signal('SIGKILL');
    this.setState({ kind: 'stopped' });
  }

  private launch(previousExit?: string): ServiceProcess {
    const run = this.options.start(previousExit);
    this.setState({ kind: 'starting', run, sinceMs: this.options.nowMs() });
    return run;
  }

  private serve(run: ServiceProcess): void {
    this.setState({ kind: 'serving', run, sinceMs: this.options.nowMs() });
    this.saidOfEnd = undefined;
    void run.exited.then((exit) => this.restart(run, exit));
  }

  /** A run ended that nobody stopped. */
  private restart(run: ServiceProcess, { how, sentence }: ChildExit): void {
    const { state } = this;
    if ((state.kind !== 'serving' && state.kind !== 'starting') || state.run !== run) return;
    if (this.isEnding) {
      this.setState({ kind: 'stopped' });
      return;
    }
    if (this.options.nowMs() - state.sinceMs > RESTART_FORGIVEN_AFTER_MS) this.deaths = 0;
    const pauseMs = this.nextPauseMs();
    const timer = setTimeout(() => this.launchAgain(how), pauseMs);
    this.setState({ kind: 'waiting', timer });
    const line = `${this.options.name} (pid ${run.pid ?? '?'}) ended: ${sentence ?? how}; starting it again in ${pauseMs / 1000} s`;
    if (sentence === undefined) this.options.say(line);
    else this.sayOnce(line, sentence);
  }

  private nextPauseMs(): number {
    return Math.min(RESTART_FIRST_MS * 2 ** this.deaths++, RESTART_MAX_MS);
  }

  private sayOnce(line: string, key = line): void {
    if (this.saidOfEnd === key) return;
    this.saidOfEnd = key;
    this.options.say(line);
  }

  /** Waits; a stop or kill meanwhile ends it, too. */
  private async pause(pauseMs: number, signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pauseMs);
      signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
    });
  }

  private launchAgain(previousExit: string): void {
    const run = this.launch(previousExit);
    run.ready.then(
      () => {
        if (this.state.kind !== 'starting' || this.state.run !== run) return;
        this.serve(run);
        if (!this.isEnding) this.options.say(`${this.options.name} (pid ${run.pid ?? '?'}) serves again`);
      },
      () => void run.exited.then((exit) => this.restart(run, exit)),
    );
  }

  private setState(state: ServiceState): void {
    this.state = state;
  }
}
