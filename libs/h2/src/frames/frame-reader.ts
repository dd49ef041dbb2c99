import { ErrorCode } from './error-code';
import { Flag, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, FrameType, PREFACE } from './frame';
import { ConnectionError } from './h2-error';

/** What a reader tells of what it has read. Bytes are views on what was pushed: to be used or copied before the next push. */
export interface FrameSink {
  /** A whole frame of any type but DATA. */
  onFrame(type: number, flags: number, streamId: number, payload: Buffer): void;
  /**
   * A piece of a DATA frame, in order.
   * @param bytes without padding; may be empty
   * @param countedBytes what the piece takes of the windows, padding included
   * @param last whether the frame ends here
   * @param ended whether the stream ends here, too
   */
  onData(streamId: number, bytes: Buffer, countedBytes: number, last: boolean, ended: boolean): void;
}

const NOTHING = Buffer.alloc(0);

/**
 * Cuts the bytes of a connection into frames (RFC 9113 §4.1). DATA is passed on as it comes, other frames once they are whole: that is at
 * most {@link FRAME_BYTES_MAX} kept.
 */
export class FrameReader {
  private readonly head = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  private headBytes = 0;
  private prefaceBytes: number;
  private inPayload = false;
  private type = 0;
  private flags = 0;
  private streamId = 0;
  /** Of the payload. */
  private leftBytes = 0;
  /** Of the payload's end; undefined until the frame's first byte, which tells it, has come. */
  private paddingBytes: number | undefined = 0;
  private payload = NOTHING;
  private payloadBytes = 0;
  private stopped = false;
  private kept: Buffer | undefined;

  /** @param expectsPreface whether the peer is a client, whose first bytes are {@link PREFACE} */
  constructor(
    private readonly sink: FrameSink,
    expectsPreface: boolean,
  ) {
    this.prefaceBytes = expectsPreface ? 0 : PREFACE.length;
  }

  /** Whether the peer has shown that it speaks HTTP/2. */
  get begun(): boolean {
    return this.prefaceBytes === PREFACE.length;
  }

  /** Reads all frames in `chunk`, unless the sink stops it. Throws ConnectionError, and what the sink throws. */
  push(chunk: Buffer): void {
    if (this.kept !== undefined) {
      this.kept = Buffer.concat([this.kept, chunk]);
      return;
    }
    this.read(chunk);
  }

  /** Called by the sink: what was pushed beyond the present frame is kept until {@link goOn}. */
  stop(): void {
    this.stopped = true;
  }

  /** Reads what {@link stop} has kept. Throws what {@link push} throws. */
  goOn(): void {
    this.stopped = false;
    const { kept } = this;
    this.kept = undefined;
    if (kept !== undefined) this.read(kept);
  }

  private read(chunk: Buffer): void {
    let at = this.begun ? 0 : this.readPreface(chunk);
    const end = chunk.length;
    while (at < end) {
      if (this.stopped) {
        this.kept = chunk.subarray(at);
        return;
      }
      if (!this.inPayload) at = this.readHead(chunk, at);
      else at = this.type === FrameType.DATA ? this.readData(chunk, at) : this.readPayload(chunk, at);
    }
  }

  private readPreface(chunk: Buffer): number {
    const bytes = Math.min(PREFACE.length - this.prefaceBytes, chunk.length);
    if (PREFACE.compare(chunk, 0, bytes, this.prefaceBytes, this.prefaceBytes + bytes) !== 0) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'the peer does not speak HTTP/2');
    }
    this.prefaceBytes += bytes;
    return bytes;
  }

  private readHead(chunk: Buffer, at: number): number {
    let head: Buffer = this.head;
    let from = 0;
    let next = at + FRAME_HEADER_BYTES;
    if (this.headBytes > 0 || next > chunk.length) {
      next = Math.min(chunk.length, at + FRAME_HEADER_BYTES - this.headBytes);
      chunk.copy(head, this.headBytes, at, next);
      this.headBytes += next - at;
      if (this.headBytes < FRAME_HEADER_BYTES) return next;
      this.headBytes = 0;
    } else {
      head = chunk;
      from = at;
    }
    const lengthBytes = (byte(head, from) << 16) | (byte(head, from + 1) << 8) | byte(head, from + 2);
    this.type = byte(head, from + 3);
    this.flags = byte(head, from + 4);
    this.streamId = head.readUInt32BE(from + 5) & 0x7fffffff;
    if (lengthBytes > FRAME_BYTES_MAX) {
      throw new ConnectionError(
        ErrorCode.FRAME_SIZE_ERROR,
        `a frame of ${lengthBytes} bytes; at most ${FRAME_BYTES_MAX} are taken`,
      );
    }
    this.inPayload = true;
    this.leftBytes = lengthBytes;
    if (this.type === FrameType.DATA) this.paddingBytes = (this.flags & Flag.PADDED) === 0 ? 0 : undefined;
    if (lengthBytes === 0) this.endEmptyFrame();
    return next;
  }

  private endEmptyFrame(): void {
    if (this.type !== FrameType.DATA) return this.endFrame(NOTHING);
    if (this.paddingBytes === undefined) throw paddingTooLong();
    this.inPayload = false;
    this.sink.onData(this.streamId, NOTHING, 0, true, (this.flags & Flag.END_STREAM) !== 0);
  }

  private readData(chunk: Buffer, start: number): number {
    let at = start;
    if (this.paddingBytes === undefined) {
      this.paddingBytes = byte(chunk, at++);
      this.leftBytes -= 1;
      if (this.paddingBytes > this.leftBytes) throw paddingTooLong();
    }
    const next = Math.min(chunk.length, at + this.leftBytes);
    const dataEnd = Math.min(next, at + this.leftBytes - this.paddingBytes);
    this.leftBytes -= next - at;
    // Of what is left at most the padding is no data.
    if (this.leftBytes < this.paddingBytes) this.paddingBytes = this.leftBytes;
    const last = this.leftBytes === 0;
    if (last) this.inPayload = false;
    const bytes = dataEnd > at ? chunk.subarray(at, dataEnd) : NOTHING;
    this.sink.onData(this.streamId, bytes, next - start, last, last && (this.flags & Flag.END_STREAM) !== 0);
    return next;
  }

  private readPayload(chunk: Buffer, at: number): number {
    const next = Math.min(chunk.length, at + this.leftBytes);
    const whole = this.payloadBytes === 0 && next - at === this.leftBytes;
    if (whole) {
      this.endFrame(chunk.subarray(at, next));
      return next;
    }
    if (this.payloadBytes === 0) this.payload = Buffer.allocUnsafe(this.leftBytes);
    chunk.copy(this.payload, this.payloadBytes, at, next);
    this.payloadBytes += next - at;
    this.leftBytes -= next - at;
    if (this.leftBytes === 0) {
      const { payload } = this;
      this.payload = NOTHING;
      this.payloadBytes = 0;
      this.endFrame(payload);
    }
    return next;
  }

  private endFrame(payload: Buffer): void {
    this.inPayload = false;
    this.sink.onFrame(this.type, this.flags, this.streamId, payload);
  }
}

function byte(buffer: Buffer, at: number): number {
  return buffer[at] ?? 0;
}

function paddingTooLong(): ConnectionError {
  return new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'the padding is longer than the frame');
}
