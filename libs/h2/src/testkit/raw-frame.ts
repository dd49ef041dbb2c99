import { Flag, FRAME_HEADER_BYTES, FrameType } from '../frames/frame';

/** A frame as it is on the wire, right or wrong. */
export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
  /** The decoded list, at the frame that ends a header block. */
  readonly fields?: readonly string[];
}

const NOTHING = Buffer.alloc(0);

/**
 * Any frame, bent on purpose where asked.
 * @param lengthBytes what the frame says of itself; the payload's length by default
 */
export function rawFrame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array = NOTHING,
  lengthBytes = payload.byteLength,
): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + payload.byteLength);
  frame.writeUIntBE(lengthBytes, 0, 3);
  frame.writeUInt8(type, 3);
  frame.writeUInt8(flags, 4);
  frame.writeUInt32BE(streamId >>> 0, 5);
  frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}

/** How DATA and HEADERS end and what they carry beside. */
export interface FrameShape {
  /** END_STREAM; false by default. */
  readonly end?: boolean;
  /** END_HEADERS; true by default. */
  readonly endHeaders?: boolean;
  /** Bytes of padding; none, and no PADDED flag, by default. */
  readonly padding?: number;
  /** A weight and what it depends on; none by default. */
  readonly priority?: Priority;
}

export interface Priority {
  readonly dependsOn: number;
  readonly weight?: number;
  readonly exclusive?: boolean;
}

export function dataFrame(streamId: number, bytes: Uint8Array, shape: FrameShape = {}): Buffer {
  const flags = (shape.end === true ? Flag.END_STREAM : 0) | (shape.padding === undefined ? 0 : Flag.PADDED);
  return rawFrame(FrameType.DATA, flags, streamId, padded(bytes, shape.padding));
}

export function headersFrame(streamId: number, block: Uint8Array, shape: FrameShape = {}): Buffer {
  const flags =
    (shape.end === true ? Flag.END_STREAM : 0) |
    (shape.endHeaders === false ? 0 : Flag.END_HEADERS) |
    (shape.padding === undefined ? 0 : Flag.PADDED) |
    (shape.priority === undefined ? 0 : Flag.PRIORITY);
  const content = shape.priority === undefined ? block : Buffer.concat([priorityPayload(shape.priority), block]);
  return rawFrame(FrameType.HEADERS, flags, streamId, padded(content, shape.padding));
}

export function continuationFrame(streamId: number, block: Uint8Array, endHeaders: boolean): Buffer {
  return rawFrame(FrameType.CONTINUATION, endHeaders ? Flag.END_HEADERS : 0, streamId, block);
}

export function priorityFrame(streamId: number, priority: Priority): Buffer {
  return rawFrame(FrameType.PRIORITY, 0, streamId, priorityPayload(priority));
}

export function resetFrame(streamId: number, code: number): Buffer {
  return rawFrame(FrameType.RST_STREAM, 0, streamId, uint32(code));
}

/** @param entries number and value of each */
export function settingsFrame(...entries: readonly (readonly [setting: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(entries.length * 6);
  entries.forEach(([setting, value], i) => {
    payload.writeUInt16BE(setting, i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  });
  return rawFrame(FrameType.SETTINGS, 0, 0, payload);
}

export const SETTINGS_ACK = rawFrame(FrameType.SETTINGS, Flag.ACK, 0);

/** @param payload eight bytes, unless it is to be wrong */
export function pingFrame(payload: Uint8Array = Buffer.alloc(8), ack = false): Buffer {
  return rawFrame(FrameType.PING, ack ? Flag.ACK : 0, 0, payload);
}

export function goawayFrame(lastStreamId: number, code: number, debug = ''): Buffer {
  return rawFrame(
    FrameType.GOAWAY,
    0,
    0,
    Buffer.concat([uint32(lastStreamId), uint32(code), Buffer.from(debug, 'utf8')]),
  );
}

/** @param bytes as it is sent: 0 and more than 2^31-1 are wrong */
export function windowUpdateFrame(streamId: number, bytes: number): Buffer {
  return rawFrame(FrameType.WINDOW_UPDATE, 0, streamId, uint32(bytes));
}

export function pushPromiseFrame(streamId: number, promisedId: number, block: Uint8Array): Buffer {
  return rawFrame(
    FrameType.PUSH_PROMISE,
    Flag.END_HEADERS,
    streamId,
    Buffer.concat([uint32(promisedId), Buffer.from(block)]),
  );
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

function priorityPayload({ dependsOn, weight = 16, exclusive = false }: Priority): Buffer {
  const on = exclusive ? (dependsOn | 0x80000000) >>> 0 : dependsOn;
  return Buffer.concat([uint32(on), Buffer.of(weight - 1)]);
}

function padded(content: Uint8Array, padding: number | undefined): Uint8Array {
  return padding === undefined ? content : Buffer.concat([Buffer.of(padding), content, Buffer.alloc(padding)]);
}
