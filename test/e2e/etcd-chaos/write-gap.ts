import { setTimeout as sleep } from 'node:timers/promises';
import type { ChaosMesh } from './chaos-mesh';

const PAUSE_MS = 20;
/** Long enough for a change to outlast the outage. */
const CHANGE_WITHIN_MS = 15_000;

/** Changes one after the other, from `start` on, and how long none of them succeeded. */
export class WriteGap {
  private stopping = false;
  private longestMs = 0;
  private lastMs = performance.now();
  private readonly writing: Promise<void>;
  /** How many changes were acknowledged by both routers. */
  changes = 0;

  constructor(private readonly mesh: ChaosMesh) {
    this.writing = this.write();
  }

  /** The longest time without a success since this was asked last. */
  takeLongestMs(): number {
    const longestMs = Math.max(this.longestMs, performance.now() - this.lastMs);
    this.longestMs = 0;
    return longestMs;
  }

  /** Resolves once `count` more changes have succeeded. */
  async more(count: number): Promise<void> {
    const wanted = this.changes + count;
    while (this.changes < wanted) await sleep(PAUSE_MS);
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await this.writing;
  }

  private async write(): Promise<void> {
    for (let turn = 0; !this.stopping; turn++) {
      const succeeded = await this.mesh.label('moving', BigInt(1 + (turn % 2)), CHANGE_WITHIN_MS).then(
        () => true,
        () => false,
      );
      if (succeeded) this.succeed();
      await sleep(PAUSE_MS);
    }
  }

  private succeed(): void {
    const nowMs = performance.now();
    this.longestMs = Math.max(this.longestMs, nowMs - this.lastMs);
    this.lastMs = nowMs;
    this.changes++;
  }
}
