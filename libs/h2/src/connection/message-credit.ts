import type { Stream } from './stream';

/**
 * How much more than their windows the streams of one connection may be lent, so that messages whose size is known come in one go. It bounds what
 * a peer can make us keep of messages that it never ends.
 *
 * Who asks while too much is lent waits for its turn. One message is always lent for, whatever its size: or nothing would ever end.
 */
export class MessageCredit {
  private lentBytes = 0;
  private readonly lent = new Map<Stream, number>();
  private readonly waiting = new Map<Stream, number>();

  constructor(private readonly limitBytes: number) {}

  /** Whether `stream` may be sent `bytes` more than its window now; if not, it is told of by {@link settle} later. */
  ask(stream: Stream, bytes: number): boolean {
    if (this.lent.size > 0 && this.lentBytes + bytes > this.limitBytes) {
      this.waiting.set(stream, bytes);
      return false;
    }
    this.lent.set(stream, (this.lent.get(stream) ?? 0) + bytes);
    this.lentBytes += bytes;
    return true;
  }

  /** The message of `stream` is whole, or will never be. `grant` is called for each that has waited for that. */
  settle(stream: Stream, grant: (stream: Stream, bytes: number) => void): void {
    this.waiting.delete(stream);
    const bytes = this.lent.get(stream);
    if (bytes === undefined) return;
    this.lent.delete(stream);
    this.lentBytes -= bytes;
    for (const [next, wanted] of this.waiting) {
      this.waiting.delete(next);
      if (!this.ask(next, wanted)) return;
      grant(next, wanted);
    }
  }
}
