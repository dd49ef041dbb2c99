import type { Message } from './message';
import { PREFIX_BYTES, writePrefix } from './message-prefix';
import { ownBytes } from './own-bytes';

/** Smaller messages are packed: as objects they would take many times the memory of what has come. */
const PACK_BELOW_BYTES = 1024;
const PACK_FIRST_BYTES = 512;
const PACK_MAX_BYTES = 16 * 1024;

/** Messages that have come before somebody took those before them, in order. */
export class MessageBacklog {
  /** Undefined: was taken. */
  private readonly items: (Message | Pack | undefined)[] = [];
  private firstItem = 0;

  add(compressed: boolean, bytes: Buffer, start: number, end: number): void {
    if (end - start >= PACK_BELOW_BYTES) {
      this.items.push({ compressed, bytes: ownBytes(bytes, start, end) });
      return;
    }
    const last = this.items.at(-1);
    if (last instanceof Pack && last.hasRoomFor(end - start)) last.add(compressed, bytes, start, end);
    else this.items.push(new Pack(compressed, bytes, start, end));
  }

  take(): Message | undefined {
    const { items } = this;
    const item = items[this.firstItem];
    if (item === undefined) return undefined;
    const message = item instanceof Pack ? item.take() : item;
    if (!(item instanceof Pack) || item.isEmpty) this.drop();
    return message;
  }

  private drop(): void {
    const { items } = this;
    items[this.firstItem] = undefined;
    this.firstItem += 1;
    // Not shift() each time: that moves all that follow.
    if (this.firstItem * 2 < items.length) return;
    items.splice(0, this.firstItem);
    this.firstItem = 0;
  }
}

/** Small messages one behind the other, as on the wire. */
class Pack {
  private memory = Buffer.allocUnsafeSlow(PACK_FIRST_BYTES);
  private start = 0;
  private end = 0;

  constructor(compressed: boolean, bytes: Buffer, start: number, end: number) {
    this.add(compressed, bytes, start, end);
  }

  get isEmpty(): boolean {
    return this.start === this.end;
  }

  hasRoomFor(sizeBytes: number): boolean {
    return this.end + PREFIX_BYTES + sizeBytes <= PACK_MAX_BYTES;
  }

  add(compressed: boolean, bytes: Buffer, start: number, end: number): void {
    const needed = this.end + PREFIX_BYTES + end - start;
    if (needed > this.memory.length) this.grow(needed);
    const at = writePrefix(this.memory, this.end, end - start, compressed);
    bytes.copy(this.memory, at, start, end);
    this.end = needed;
  }

  take(): Message {
    const from = this.start + PREFIX_BYTES;
    this.start = from + this.memory.readUInt32BE(this.start + 1);
    return {
      compressed: this.memory[from - PREFIX_BYTES] === 1,
      bytes: Buffer.from(this.memory.subarray(from, this.start)),
    };
  }

  private grow(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.memory.length));
    this.memory.copy(larger, 0, 0, this.end);
    this.memory = larger;
  }
}
