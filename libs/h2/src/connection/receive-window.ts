/** How much a peer may send us (RFC 9113 §5.2), of one stream or of all. */
export class ReceiveWindow {
  /** What it may send now. */
  private openBytes: number;
  /** What has been used up here and not been told yet. */
  private owedBytes = 0;

  /** @param sizeBytes how much may be unread at any time */
  constructor(private readonly sizeBytes: number) {
    this.openBytes = sizeBytes;
  }

  /** Bytes came; false when there was no room for them. */
  take(bytes: number): boolean {
    this.openBytes -= bytes;
    return this.openBytes >= 0;
  }

  /** Bytes were used up; returns what to tell the peer in a WINDOW_UPDATE, 0 while that is not worth a frame. */
  giveBack(bytes: number): number {
    this.owedBytes += bytes;
    return this.owedBytes * 2 >= this.sizeBytes ? this.open(this.owedBytes) : 0;
  }

  /** Whether the peer may send. */
  get isOpen(): boolean {
    return this.openBytes > 0;
  }

  /** How much more than now the peer must be allowed to send, so that it need not stop before `bytes` have come. */
  missing(bytes: number): number {
    return Math.max(0, bytes - this.openBytes);
  }

  /** Lets the peer send `bytes` more; returns them. */
  open(bytes: number): number {
    this.openBytes += bytes;
    // Beyond what is owed, the peer has been lent something: it pays that back before it is owed anything again.
    this.owedBytes -= bytes;
    return bytes;
  }
}
