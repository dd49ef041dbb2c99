const SLAB_BYTES = 1024 * 1024;

/**
 * Copies of many small things, packed into few large buffers. The allocator gives those back to the system once nothing of
 * them is used; ten thousands of small ones would leave the process as large as it was at its largest.
 */
export class Slab {
  private buffer = Buffer.alloc(0);
  private used = 0;

  /** A copy that stays as it is, and keeps its neighbours in memory. */
  keep(bytes: Uint8Array): Buffer {
    if (this.used + bytes.byteLength > this.buffer.byteLength) {
      this.buffer = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytes.byteLength));
      this.used = 0;
    }
    const copy = this.buffer.subarray(this.used, this.used + bytes.byteLength);
    copy.set(bytes);
    this.used += bytes.byteLength;
    return copy;
  }
}
