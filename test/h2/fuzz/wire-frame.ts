import { rawFrame } from '@bms/h2/testkit';

/** A frame as it will be sent; what it says of its length may be a lie. */
export interface WireFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
  /** The payload's length where undefined. */
  readonly saysBytes?: number | undefined;
}

export function bytesOf({ type, flags, streamId, payload, saysBytes }: WireFrame): Buffer {
  return rawFrame(type, flags, streamId, payload, saysBytes ?? payload.length);
}

/** The frames in what a builder has built. */
export function framesIn(...built: readonly Buffer[]): WireFrame[] {
  return built.map((bytes) => ({
    type: bytes.readUInt8(3),
    flags: bytes.readUInt8(4),
    streamId: bytes.readUInt32BE(5),
    payload: bytes.subarray(9),
  }));
}
