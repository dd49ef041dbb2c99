import { BmsError, Reason } from '@bms/contracts';
import type { Message } from './message';
import { MessageAssembly } from './message-assembly';
import { MessageBacklog } from './message-backlog';
import { PREFIX_BYTES } from './message-prefix';
import { messageTooLarge } from './message-too-large';
import { ownBytes } from './own-bytes';

/**
 * Cuts the body of a stream into messages. Where its DATA frames begin and end means nothing.
 *
 * What is kept never takes more than about twice the memory of what has come: a message in one chunk is a view on it or
 * a copy (see {@link ownBytes}), one of several chunks is put together once, and small ones that nobody has taken yet are packed.
 */
export class MessageReader {
  /** Of the present message's prefix; five: all of it has come. */
  private prefixBytes = 0;
  private compressed = false;
  private sizeBytes = 0;
  /** Of the present message, once its prefix has come. */
  private missingBytes = 0;
  private assembly: MessageAssembly | undefined;
  private first: Message | undefined;
  private later: MessageBacklog | undefined;
  private untakenBytes = 0;
  private failure: BmsError | undefined;

  /**
   * @param limitBytes the largest message that is taken; a larger one is refused before anything of it is kept
   * @param remedy what the sender of a larger one is told to do
   */
  constructor(
    private readonly limitBytes: number,
    private readonly remedy: string,
  ) {}

  /** How much of the message that is being read has not come yet; 0 between messages. */
  get expectedBytes(): number {
    if (this.prefixBytes === PREFIX_BYTES) return this.missingBytes;
    return this.prefixBytes === 0 ? 0 : PREFIX_BYTES - this.prefixBytes;
  }

  /** What has come and was not taken, prefixes included. */
  get bufferedBytes(): number {
    return this.untakenBytes;
  }

  /** Whether anything has come behind the message that {@link next} would give. */
  get hasMore(): boolean {
    return this.first !== undefined && this.untakenBytes > PREFIX_BYTES + this.first.bytes.length;
  }

  /**
   * Reads all of `chunk`, which must not change afterwards.
   * Throws MESSAGE_TOO_LARGE, and INTERNAL for a prefix that is none; then nothing more can be read.
   */
  push(chunk: Buffer): void {
    if (this.failure !== undefined) throw this.failure;
    this.untakenBytes += chunk.length;
    let at = 0;
    while (at < chunk.length) {
      if (this.prefixBytes < PREFIX_BYTES) {
        at = this.readPrefix(chunk, at);
        if (this.prefixBytes < PREFIX_BYTES || (at === chunk.length && this.missingBytes > 0)) return;
      }
      at = this.readBytes(chunk, at);
    }
  }

  /** The next message; undefined: it has not come yet, or not all of it. */
  next(): Message | undefined {
    const message = this.first;
    if (message === undefined) return undefined;
    this.first = this.later?.take();
    this.untakenBytes -= PREFIX_BYTES + message.bytes.length;
    return message;
  }

  /** The stream has ended. Throws INTERNAL when a message has not. */
  end(): void {
    if (this.failure !== undefined) throw this.failure;
    if (this.prefixBytes === 0) return;
    const what = this.prefixBytes < PREFIX_BYTES ? 'the prefix of a message' : `a message of ${this.sizeBytes} bytes`;
    throw new BmsError(Reason.INTERNAL, `the stream ended inside ${what}: ${this.expectedBytes} bytes are missing`);
  }

  private readPrefix(chunk: Buffer, start: number): number {
    let at = start;
    if (this.prefixBytes === 0 && start + PREFIX_BYTES <= chunk.length) {
      this.beginMessage(chunk[start] ?? 0);
      this.sizeBytes = chunk.readUInt32BE(start + 1);
      this.prefixBytes = PREFIX_BYTES;
      at = start + PREFIX_BYTES;
    }
    while (this.prefixBytes < PREFIX_BYTES && at < chunk.length) {
      const byte = chunk[at++] ?? 0;
      if (this.prefixBytes === 0) this.beginMessage(byte);
      else this.sizeBytes = this.sizeBytes * 256 + byte;
      this.prefixBytes += 1;
    }
    if (this.prefixBytes === PREFIX_BYTES) {
      if (this.sizeBytes > this.limitBytes) this.fail(messageTooLarge(this.sizeBytes, this.limitBytes, this.remedy));
      this.missingBytes = this.sizeBytes;
    }
    return at;
  }

  private beginMessage(flag: number): void {
    if (flag > 1) {
      this.fail(
        new BmsError(Reason.INTERNAL, `a message begins with ${flag}; 0 (as it is) and 1 (compressed) are known`),
      );
    }
    this.compressed = flag === 1;
    this.sizeBytes = 0;
  }

  private readBytes(chunk: Buffer, start: number): number {
    const end = Math.min(chunk.length, start + this.missingBytes);
    if (end - start === this.sizeBytes) {
      this.endMessage(chunk, start, end);
      return end;
    }
    this.assembly ??= new MessageAssembly(this.sizeBytes);
    this.assembly.add(chunk, start, end);
    this.missingBytes -= end - start;
    if (this.missingBytes === 0) {
      const whole = this.assembly.take();
      this.assembly = undefined;
      this.endMessage(whole, 0, whole.length);
    }
    return end;
  }

  private endMessage(bytes: Buffer, start: number, end: number): void {
    this.prefixBytes = 0;
    if (this.first === undefined) this.first = { compressed: this.compressed, bytes: ownBytes(bytes, start, end) };
    else (this.later ??= new MessageBacklog()).add(this.compressed, bytes, start, end);
  }

  private fail(error: BmsError): never {
    this.failure = error;
    this.assembly = undefined;
    throw error;
  }
}
