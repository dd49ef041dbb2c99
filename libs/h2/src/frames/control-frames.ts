import type { ErrorCode } from './error-code';
import { Flag, FRAME_HEADER_BYTES, FrameType } from './frame';

/** Writes the nine bytes that every frame starts with. */
export function writeFrameHead(
  into: Buffer,
  at: number,
  lengthBytes: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  into[at] = lengthBytes >>> 16;
  into[at + 1] = lengthBytes >>> 8;
  into[at + 2] = lengthBytes;
  into[at + 3] = type;
  into[at + 4] = flags;
  into.writeUInt32BE(streamId, at + 5);
}

/** @param entries number and value of each */
export function settingsFrame(entries: readonly (readonly [setting: number, value: number])[]): Buffer {
  const frame = frameOf(entries.length * 6, FrameType.SETTINGS, 0, 0);
  entries.forEach(([setting, value], i) => {
    frame.writeUInt16BE(setting, FRAME_HEADER_BYTES + i * 6);
    frame.writeUInt32BE(value, FRAME_HEADER_BYTES + i * 6 + 2);
  });
  return frame;
}

export const SETTINGS_ACK: Buffer = frameOf(0, FrameType.SETTINGS, Flag.ACK, 0);

export function pingFrame(payload: Buffer, ack: boolean): Buffer {
  const frame = frameOf(8, FrameType.PING, ack ? Flag.ACK : 0, 0);
  payload.copy(frame, FRAME_HEADER_BYTES, 0, 8);
  return frame;
}

export function goawayFrame(lastStreamId: number, code: ErrorCode, why = ''): Buffer {
  const debug = Buffer.from(why, 'utf8');
  const frame = frameOf(8 + debug.length, FrameType.GOAWAY, 0, 0);
  frame.writeUInt32BE(lastStreamId, FRAME_HEADER_BYTES);
  frame.writeUInt32BE(code, FRAME_HEADER_BYTES + 4);
  debug.copy(frame, FRAME_HEADER_BYTES + 8);
  return frame;
}

export function resetFrame(streamId: number, code: ErrorCode): Buffer {
  const frame = frameOf(4, FrameType.RST_STREAM, 0, streamId);
  frame.writeUInt32BE(code, FRAME_HEADER_BYTES);
  return frame;
}

export function windowUpdateFrame(streamId: number, bytes: number): Buffer {
  const frame = frameOf(4, FrameType.WINDOW_UPDATE, 0, streamId);
  frame.writeUInt32BE(bytes, FRAME_HEADER_BYTES);
  return frame;
}

function frameOf(lengthBytes: number, type: number, flags: number, streamId: number): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + lengthBytes);
  writeFrameHead(frame, 0, lengthBytes, type, flags, streamId);
  return frame;
}
