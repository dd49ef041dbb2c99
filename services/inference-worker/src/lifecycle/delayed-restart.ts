import type { Clock } from '../clock';

/** A restart that is asked for comes within this time. */
export const RESTART_WITHIN_MS = 10_000;

export interface DelayedRestartParts {
  readonly clock: Pick<Clock, 'wait'>;
  /** In [0, 1). */
  readonly random: () => number;
  /** Called once, when the time has come. */
  readonly restart: (reason: string) => void;
}

/**
 * Asks for a new process a random while later, up to 10 s: the same call may have taken several workers at the same
 * time, and if all of them restarted in the same instant nobody would serve. Only the first request counts.
 */
export class DelayedRestart {
  private asked = false;
  private readonly given = new AbortController();

  constructor(private readonly parts: DelayedRestartParts) {}

  request(reason: string): void {
    if (this.asked) return;
    this.asked = true;
    const { clock, random, restart } = this.parts;
    void clock.wait(random() * RESTART_WITHIN_MS, this.given.signal).then(() => {
      if (!this.given.signal.aborted) restart(reason);
    });
  }

  /** The process ends anyway. */
  cancel(): void {
    this.given.abort();
  }
}
