import { Flag, FrameType } from '../frames/frame';
import { callFields, fieldOf, grpcMessage, grpcMessages } from './grpc-request';
import { literalBlock } from './header-block';
import { dataFrame, headersFrame } from './raw-frame';
import type { RawPeer } from './raw-peer';
import { PATIENCE_MS } from './within';

/** What came on one stream, up to its end. */
export interface RawAnswer {
  /** Undefined when there were only trailers. */
  readonly headers: readonly string[] | undefined;
  readonly messages: readonly Buffer[];
  /** Undefined when the stream was reset. */
  readonly trailers: readonly string[] | undefined;
  /** `grpc-status`; undefined where there is none. */
  readonly status: string | undefined;
  /** The code of RST_STREAM; undefined when the stream ended in order. */
  readonly reset: number | undefined;
}

/** The whole answer on a stream. Throws when the connection ends first. */
export async function answerOn(peer: RawPeer, streamId: number, patienceMs = PATIENCE_MS): Promise<RawAnswer> {
  const data: Buffer[] = [];
  let headers: readonly string[] | undefined;
  for (;;) {
    const frame = await peer.next(
      `the answer on stream ${streamId}`,
      ({ streamId: on, type }) => on === streamId && ANSWER_TYPES.has(type),
      patienceMs,
    );
    const messages = (): Buffer[] => grpcMessages(Buffer.concat(data));
    if (frame.type === FrameType.RST_STREAM) {
      return { headers, messages: [], trailers: undefined, status: undefined, reset: frame.payload.readUInt32BE(0) };
    }
    const ends = (frame.flags & Flag.END_STREAM) !== 0;
    if (frame.type === FrameType.DATA) data.push(frame.payload);
    else if (!ends) headers = frame.fields;
    if (!ends) continue;
    const trailers = frame.fields;
    return { headers, messages: messages(), trailers, status: fieldOf(trailers, 'grpc-status'), reset: undefined };
  }
}

/** One gRPC call with one message, on a stream that is not used yet. */
export async function rawCall(
  peer: RawPeer,
  streamId: number,
  path: string,
  content: Uint8Array | string,
  more: readonly string[] = [],
): Promise<RawAnswer> {
  peer.send(
    headersFrame(streamId, literalBlock(callFields(path, more))),
    dataFrame(streamId, grpcMessage(content), { end: true }),
  );
  return answerOn(peer, streamId);
}

const ANSWER_TYPES: ReadonlySet<number> = new Set([FrameType.HEADERS, FrameType.DATA, FrameType.RST_STREAM]);
