import type { CancelSignal } from './cancel-signal';

/**
 * A controller that is aborted with any of `signals`. Whoever makes one calls `unlink` in the end: the signals may live
 * much longer. (AbortSignal.any keeps memory on Node 20 as long as the longest of its sources lives: use it only where none
 * of them outlives the wait.)
 */
export class LinkedAbort {
  private readonly controller = new AbortController();
  private readonly links: (() => void)[] = [];

  constructor(...signals: readonly (CancelSignal | undefined)[]) {
    for (const signal of signals) {
      if (signal === undefined) continue;
      const follow = (): void => this.controller.abort(signal.reason);
      if (signal.aborted) follow();
      signal.addEventListener('abort', follow, { once: true });
      this.links.push(() => signal.removeEventListener('abort', follow));
    }
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  abort(reason?: unknown): void {
    this.controller.abort(reason);
  }

  unlink(): void {
    for (const unlink of this.links.splice(0)) unlink();
  }
}
