import { errorCodeName } from '../frames/error-code';
import { Flag, FRAME_HEADER_BYTES, FrameType } from '../frames/frame';
import { HeaderReader } from './header-reader';
import type { RawFrame } from './raw-frame';

/** Cuts what a peer sends into frames, and reads its header blocks. */
export class FrameLog {
  private rest: Buffer = Buffer.alloc(0);
  private readonly headers = new HeaderReader();
  private block: Buffer[] = [];

  /** The frames that `chunk` completes. */
  push(chunk: Buffer): RawFrame[] {
    this.rest = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    const frames: RawFrame[] = [];
    for (;;) {
      const { rest } = this;
      if (rest.length < FRAME_HEADER_BYTES) return frames;
      const end = FRAME_HEADER_BYTES + rest.readUIntBE(0, 3);
      if (rest.length < end) return frames;
      this.rest = rest.subarray(end);
      frames.push(
        this.withFields({
          type: rest.readUInt8(3),
          flags: rest.readUInt8(4),
          streamId: rest.readUInt32BE(5) & 0x7fffffff,
          payload: rest.subarray(FRAME_HEADER_BYTES, end),
        }),
      );
    }
  }

  private withFields(frame: RawFrame): RawFrame {
    if (frame.type !== FrameType.HEADERS && frame.type !== FrameType.CONTINUATION) return frame;
    this.block.push(frame.type === FrameType.HEADERS ? blockOf(frame) : frame.payload);
    if ((frame.flags & Flag.END_HEADERS) === 0) return frame;
    const fields = this.headers.read(Buffer.concat(this.block));
    this.block = [];
    return { ...frame, fields };
  }
}

function blockOf({ flags, payload }: RawFrame): Buffer {
  const padding = (flags & Flag.PADDED) === 0 ? 0 : payload.readUInt8(0);
  const start = ((flags & Flag.PADDED) === 0 ? 0 : 1) + ((flags & Flag.PRIORITY) === 0 ? 0 : 5);
  return payload.subarray(start, payload.length - padding);
}

/** `HEADERS 3 END_STREAM [:status 200]`, for failed expectations and replays. */
export function describeFrame({ type, flags, streamId, payload, fields }: RawFrame): string {
  const name = Object.entries(FrameType).find(([, value]) => value === type)?.[0] ?? `type ${type}`;
  const text = `${name} ${streamId}${flags === 0 ? '' : ` flags 0x${flags.toString(16)}`}, ${payload.length} bytes`;
  if (fields !== undefined) return `${text} [${fields.join(' ')}]`;
  if (type === FrameType.RST_STREAM) return `${text} ${errorCodeName(payload.readUInt32BE(0))}`;
  if (type === FrameType.GOAWAY) {
    return `${text} ${errorCodeName(payload.readUInt32BE(4))} "${payload.subarray(8).toString('latin1')}"`;
  }
  return text;
}
