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

  /** So much is surely coming and will be taken: returns what to tell the peer, so that it need not stop before the end. */
  expect(bytes: number): number {
    const missingBytes = bytes - this.openBytes;
    return missingBytes > 0 ? this.open(Math.max(missingBytes, this.owedBytes)) : 0;
  }

  private open(bytes: number): number {
    this.openBytes += bytes;
    // Beyond what is owed, the peer has been lent something: it pays that back before it is owed anything again.
    this.owedBytes -= bytes;
    return bytes;
  }
}
