import type { Socket } from 'node:net';
import { Flag, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, FrameType } from '../frames/frame';
import { writeFrameHead } from '../frames/control-frames';
import type { HeaderFields } from '../hpack/header-fields';
import type { HpackEncoder } from '../hpack/hpack-encoder';
import { giveBackSlab, SLAB_BYTES, takeSlab, type Slab } from './slab-pool';

/** Payloads up to this size are copied beside their neighbours; larger ones leave as they are. */
const COPY_MAX_BYTES = 4 * 1024;

/**
 * What a connection sends, in order. All that one turn of the event loop writes leaves in one go at its end.
 *
 * Header blocks are encoded as they are put in: the order of the calls is the order on the wire, which HPACK depends on.
 */
export class Outbox {
  private slab: Slab | undefined;
  private segmentStart = 0;
  private readonly segments: Buffer[] = [];
  private gatheredBytes = 0;
  private scheduled = false;
  private readonly flushLater = (): void => this.flush();

  /**
   * @param bufferBytes how much may wait for the network before {@link full}
   * @param beforeFlush called once before all of a turn leaves: what waits for that may be put in
   */
  constructor(
    private readonly socket: Socket,
    private readonly encoder: HpackEncoder,
    private readonly bufferBytes: number,
    private readonly beforeFlush: () => void,
  ) {}

  /** Whether DATA had better wait until the socket drains. */
  get full(): boolean {
    return this.gatheredBytes + this.socket.writableLength >= this.bufferBytes;
  }

  /** Whether the peer leaves anything unread. */
  get blocked(): boolean {
    return this.socket.writableNeedDrain;
  }

  /** A whole frame; its bytes are copied. */
  frame(frame: Buffer): void {
    const at = this.room(frame.length);
    frame.copy(this.slabBuffer(), at);
    this.filled(frame.length);
  }

  /** HEADERS, and CONTINUATION where one frame is too small. */
  headers(streamId: number, fields: HeaderFields, ended: boolean): void {
    const boundBytes = this.encoder.sizeBound(fields);
    const endStream = ended ? Flag.END_STREAM : 0;
    if (boundBytes > FRAME_BYTES_MAX) return this.longHeaders(streamId, fields, boundBytes, endStream);
    const at = this.room(FRAME_HEADER_BYTES + boundBytes);
    const into = this.slabBuffer();
    const end = this.encoder.encode(fields, into, at + FRAME_HEADER_BYTES);
    const blockBytes = end - at - FRAME_HEADER_BYTES;
    writeFrameHead(into, at, blockBytes, FrameType.HEADERS, Flag.END_HEADERS | endStream, streamId);
    this.filled(FRAME_HEADER_BYTES + blockBytes);
  }

  /** One DATA frame of two parts, at most {@link FRAME_BYTES_MAX} together. */
  data(streamId: number, ended: boolean, one: Buffer, other: Buffer): void {
    const bytes = one.length + other.length;
    const flags = ended ? Flag.END_STREAM : 0;
    if (bytes <= COPY_MAX_BYTES) {
      const at = this.room(FRAME_HEADER_BYTES + bytes);
      const into = this.slabBuffer();
      writeFrameHead(into, at, bytes, FrameType.DATA, flags, streamId);
      one.copy(into, at + FRAME_HEADER_BYTES);
      other.copy(into, at + FRAME_HEADER_BYTES + one.length);
      this.filled(FRAME_HEADER_BYTES + bytes);
      return;
    }
    const at = this.room(FRAME_HEADER_BYTES);
    writeFrameHead(this.slabBuffer(), at, bytes, FrameType.DATA, flags, streamId);
    this.filled(FRAME_HEADER_BYTES);
    this.part(one);
    this.part(other);
  }

  /** Writes all to the socket now. */
  flush(): void {
    this.scheduled = false;
    this.beforeFlush();
    this.endSegment();
    if (this.slab !== undefined) giveBackSlab(this.slab);
    this.slab = undefined;
    const { segments, socket } = this;
    this.gatheredBytes = 0;
    if (socket.destroyed) segments.length = 0;
    if (segments.length === 0) return;
    if (segments.length === 1) socket.write(segments[0] as Buffer);
    else {
      socket.cork();
      for (const segment of segments) socket.write(segment);
      socket.uncork();
    }
    segments.length = 0;
  }

  /** Lets {@link flush} come at the end of this turn. */
  schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(this.flushLater);
  }

  private part(bytes: Buffer): void {
    if (bytes.length === 0) return;
    if (bytes.length <= COPY_MAX_BYTES) return this.frame(bytes);
    this.endSegment();
    this.segments.push(bytes);
    this.gatheredBytes += bytes.length;
    this.schedule();
  }

  private longHeaders(streamId: number, fields: HeaderFields, boundBytes: number, endStream: number): void {
    const block = Buffer.allocUnsafe(boundBytes);
    const end = this.encoder.encode(fields, block, 0);
    for (let at = 0; at < end || at === 0; at += FRAME_BYTES_MAX) {
      const piece = block.subarray(at, Math.min(end, at + FRAME_BYTES_MAX));
      const first = at === 0;
      const last = at + piece.length === end;
      const head = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
      const flags = (last ? Flag.END_HEADERS : 0) | (first ? endStream : 0);
      writeFrameHead(head, 0, piece.length, first ? FrameType.HEADERS : FrameType.CONTINUATION, flags, streamId);
      this.frame(head);
      this.part(piece);
    }
  }

  /** Where the next `bytes` go, at most a slab full. */
  private room(bytes: number): number {
    if (this.slab !== undefined && this.slab.usedBytes + bytes > SLAB_BYTES) {
      this.endSegment();
      giveBackSlab(this.slab);
      this.slab = undefined;
    }
    if (this.slab === undefined) {
      this.slab = takeSlab();
      if (this.slab.usedBytes + bytes > SLAB_BYTES) {
        this.slab = { buffer: Buffer.allocUnsafeSlow(SLAB_BYTES), usedBytes: 0 };
      }
      this.segmentStart = this.slab.usedBytes;
    }
    return this.slab.usedBytes;
  }

  private slabBuffer(): Buffer {
    return (this.slab as Slab).buffer;
  }

  private filled(bytes: number): void {
    (this.slab as Slab).usedBytes += bytes;
    this.gatheredBytes += bytes;
    if (!this.scheduled) this.schedule();
  }

  private endSegment(): void {
    const { slab } = this;
    if (slab === undefined || slab.usedBytes === this.segmentStart) return;
    this.segments.push(slab.buffer.subarray(this.segmentStart, slab.usedBytes));
    this.segmentStart = slab.usedBytes;
  }
}
