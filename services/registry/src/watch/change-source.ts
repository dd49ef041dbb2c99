import { BmsError, Reason } from '@bms/contracts';
import type { Clock } from '../clock';

/** Something whose present state can be read, and which says when that has changed. */
export interface Changing {
  /** Calls `listener` after each change, until the answer is called. */
  onChange(listener: () => void): () => void;
}

/** A list of listeners. */
export class ChangeSource implements Changing {
  private readonly listeners = new Set<() => void>();

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  announce(): void {
    for (const listener of [...this.listeners]) listener();
  }
}

export interface WaitOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** How long to wait at most. */
  readonly boundMs: number;
}

/**
 * Looks with `check` now and after each change of `sources`, until it gives something else than undefined. Answers
 * undefined when the bound has passed; throws CANCELLED when `signal` is aborted, and what `check` throws.
 */
export function waitUntil<T>(
  sources: readonly Changing[],
  check: () => T | undefined,
  options: WaitOptions,
): Promise<T | undefined> {
  const { clock, signal, boundMs } = options;
  return new Promise<T | undefined>((resolve, reject) => {
    const undo: (() => void)[] = [];
    const finish = (settle: () => void): void => {
      for (const action of undo.splice(0)) action();
      settle();
    };
    const look = (): boolean => {
      try {
        const found = check();
        if (found === undefined) return false;
        finish(() => resolve(found));
      } catch (error) {
        finish(() => reject(error instanceof Error ? error : new Error(String(error))));
      }
      return true;
    };
    const cancelled = (): void => finish(() => reject(new BmsError(Reason.CANCELLED, 'the caller gave up')));

    if (signal.aborted) return cancelled();
    if (look()) return;
    if (boundMs <= 0) return resolve(undefined);
    signal.addEventListener('abort', cancelled, { once: true });
    undo.push(() => signal.removeEventListener('abort', cancelled));
    for (const source of sources) undo.push(source.onChange(look));
    undo.push(clock.after(boundMs, () => finish(() => resolve(undefined))));
  });
}
