import { FRAME_BYTES_MAX, WINDOW_DEFAULT_BYTES } from '../frames/frame';
import type { Outbox } from './outbox';
import type { Stream } from './stream';

/**
 * The streams that have something to send and cannot at once, in line. Each turn is one frame, at most 16 KiB: a large body does not hold
 * small ones up.
 */
export class DataTurns {
  /** What the peer takes of all streams together. */
  windowBytes = WINDOW_DEFAULT_BYTES;
  private line: Stream[] = [];
  private first = 0;

  get length(): number {
    return this.line.length - this.first;
  }

  add(stream: Stream): void {
    if (stream.waiting) return;
    stream.waiting = true;
    this.line.push(stream);
  }

  /** Lets one after the other send, until nobody can or `outbox` is full. */
  run(outbox: Outbox): void {
    while (this.first < this.line.length && !outbox.full) {
      const stream = this.line[this.first] as Stream;
      if (this.windowBytes <= 0 && stream.needsWindow) {
        // Whoever only has an end to send need not wait for the others' window.
        if (!this.letEndsPass()) return;
        continue;
      }
      this.first += 1;
      this.shorten();
      stream.waiting = false;
      if (stream.state === 'closed') continue;
      stream.sendSome(Math.min(FRAME_BYTES_MAX, this.windowBytes));
      if (stream.hasQueue && (stream.sendWindowBytes > 0 || !stream.needsWindow)) this.add(stream);
      stream.tellDrained();
    }
  }

  private letEndsPass(): boolean {
    const at = this.line.findIndex((stream, i) => i >= this.first && !stream.needsWindow);
    if (at < 0) return false;
    const [stream] = this.line.splice(at, 1);
    if (stream !== undefined) this.line.splice(this.first, 0, stream);
    return true;
  }

  private shorten(): void {
    if (this.first === this.line.length) {
      this.line.length = 0;
      this.first = 0;
    } else if (this.first >= 1024) {
      this.line = this.line.slice(this.first);
      this.first = 0;
    }
  }
}
