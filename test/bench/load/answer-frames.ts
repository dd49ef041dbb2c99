const FRAME_HEAD_BYTES = 9;

/** Where a frame lies in the bytes that came. */
export interface FrameVisitor {
  /** The frame's payload is `bytes` from `start` to `end`; what is kept of it must be copied. */
  frame(type: number, flags: number, stream: number, bytes: Buffer, start: number, end: number): void;
}

/** Cuts what comes over one connection into frames. */
export class AnswerFrames {
  private rest: Buffer | undefined;

  constructor(private readonly visitor: FrameVisitor) {}

  push(chunk: Buffer): void {
    const bytes = this.rest === undefined ? chunk : Buffer.concat([this.rest, chunk]);
    let at = 0;
    while (bytes.length - at >= FRAME_HEAD_BYTES) {
      const length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
      const end = at + FRAME_HEAD_BYTES + length;
      if (end > bytes.length) break;
      const stream = bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
      const [type, flags] = [bytes[at + 3] as number, bytes[at + 4] as number];
      this.visitor.frame(type, flags, stream, bytes, at + FRAME_HEAD_BYTES, end);
      at = end;
    }
    this.rest = at === bytes.length ? undefined : bytes.subarray(at);
  }
}
