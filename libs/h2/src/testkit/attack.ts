import { ErrorCode, errorCodeName } from '../frames/error-code';
import { FrameType } from '../frames/frame';
import { callFields } from './grpc-request';
import { literalBlock } from './header-block';
import { headersFrame, type FrameShape } from './raw-frame';
import type { RawEnd, RawPeer } from './raw-peer';

/** HEADERS of a call, on a stream of its own, with nothing behind them. */
export function opening(streamId: number, path: string, more: readonly string[] = [], shape: FrameShape = {}): Buffer {
  return headersFrame(streamId, literalBlock(callFields(path, more)), shape);
}

/** The id of a client's i-th stream, from 0 on. */
export function clientStreamId(i: number): number {
  return 2 * i + 1;
}

/** Waits for the end of the connection. Throws unless it came with a GOAWAY of this code. */
export async function endsWith(peer: RawPeer, code: number, patienceMs?: number): Promise<RawEnd> {
  const end = await peer.closed(patienceMs);
  if (end.goaway === undefined) throw new Error(`the connection ended without GOAWAY; ${errorCodeName(code)} was due`);
  if (end.goaway.code !== code) {
    throw new Error(
      `the connection ended with ${errorCodeName(end.goaway.code)} (${end.goaway.debug}); ${errorCodeName(code)} was due`,
    );
  }
  return end;
}

/** Waits for RST_STREAM on the stream; its code's name. */
export async function resetOn(peer: RawPeer, streamId: number): Promise<string> {
  const frame = await peer.next(
    `RST_STREAM on ${streamId}`,
    ({ type, streamId: on }) => type === FrameType.RST_STREAM && on === streamId,
  );
  return errorCodeName(frame.payload.readUInt32BE(0));
}

/** How many of the frames that wait are RST_STREAM with this code. */
export function countResets(peer: RawPeer, code: number = ErrorCode.REFUSED_STREAM): number {
  return peer.waiting.filter(({ type, payload }) => type === FrameType.RST_STREAM && payload.readUInt32BE(0) === code)
    .length;
}
