import type { Socket } from 'node:net';
import type { ConnectionOptions } from '../connection/connection';
import { protocolError, ReceivingConnection } from '../connection/receiving-connection';
import type { Stream, StreamListener } from '../connection/stream';
import { ErrorCode } from '../frames/error-code';
import { STREAM_ID_MAX } from '../frames/frame';
import { ConnectionError } from '../frames/h2-error';
import { requestFault, trailerFault } from '../grpc/header-rules';
import type { DecodedHeaders } from '../hpack/hpack-decoder';

/** Takes a request that keeps to HTTP/2's rules, and says who is told of what else comes for it. */
export type Accept = (stream: Stream, headers: DecodedHeaders, ended: boolean) => StreamListener;

/** Ages differ by up to this share, so that connections that were made together do not end together. */
const AGE_JITTER = 0.1;
/** How long a peer may take to have read the first GOAWAY, before its later streams are refused. */
const GOAWAY_READ_MS = 1_000;

/** The end that is called. */
export class ServerConnection extends ReceivingConnection {
  /** Called once, when the peer has shown that it speaks HTTP/2. */
  onGreeted: () => void = () => {};
  /** Since when there has been no stream. */
  private idleSinceMs: number;
  private readonly bornMs: number;
  private readonly ageMs: number;
  private leavingSinceMs: number | undefined;
  /** Ids from here to the last one have all been used. */
  private runStart = 1;
  private handlers = 0;
  /** Whether later streams are refused: the peer has been told by which one was the last. */
  private refusesLater = false;
  private retainedHeaderBytes = 0;
  private begunThisTurn = 0;

  constructor(
    socket: Socket,
    options: ConnectionOptions,
    private readonly accept: Accept,
    random: () => number = Math.random,
  ) {
    super(socket, options, 'server');
    this.bornMs = this.idleSinceMs = this.now();
    this.ageMs = this.limits.ageMs * (1 + AGE_JITTER * (2 * random() - 1));
  }

  /** A handler has begun, and counts as one of the streams until {@link handlerEnded}, whatever becomes of its stream. */
  handlerBegun(): void {
    this.handlers += 1;
  }

  handlerEnded(): void {
    this.handlers -= 1;
  }

  /** How many streams are open or have handlers that run. */
  get load(): number {
    return Math.max(this.handlers, this.streams.size);
  }

  /** GOAWAY: what is under way to us is still taken, later streams are refused, and it ends once there are none. */
  shutDown(): void {
    if (this.leavingSinceMs !== undefined || this.current === 'ended') return;
    this.leavingSinceMs = this.now();
    this.leave(STREAM_ID_MAX);
    // When the answer to this comes, the peer has read the GOAWAY, and all that it sent before has been read here.
    this.ping(() => this.refuseLater());
  }

  override checkTimes(nowMs: number): void {
    super.checkTimes(nowMs);
    const { limits, current } = this;
    const left = this.leavingSinceMs;
    if (current === 'ended') return;
    if (!this.greeted && nowMs - this.bornMs > limits.handshakeMs) return this.destroy();
    if (left !== undefined) {
      if (nowMs - left > GOAWAY_READ_MS) this.refuseLater();
      if (nowMs - left > limits.ageGraceMs && nowMs - this.bornMs > this.ageMs) this.destroy();
      return;
    }
    if (nowMs - this.bornMs > this.ageMs || (this.streams.size === 0 && nowMs - this.idleSinceMs > limits.idleMs)) {
      return this.shutDown();
    }
    this.checkStalls(nowMs);
  }

  protected override onHeadersWithoutStream(
    streamId: number,
    headers: DecodedHeaders,
    ended: boolean,
    selfDependent: boolean,
  ): void {
    if (this.isPast(streamId)) return this.onLateHeaders(streamId);
    if (streamId % 2 === 0) throw protocolError('a stream with an even id');
    if (streamId !== this.lastPeerStreamId + 2) this.runStart = streamId;
    this.lastPeerStreamId = streamId;
    if (selfDependent) return this.refuseId(streamId, ErrorCode.PROTOCOL_ERROR);
    // Of a list that is too large only what is within the limit is kept.
    const listBytes = Math.min(headers.listBytes, this.limits.headerListBytes);
    const retainedBytes = this.retainedHeaderBytes + listBytes;
    const tooMany = this.load >= this.limits.concurrentStreams || retainedBytes > this.limits.retainedHeaderBytes;
    if (tooMany || this.refusesLater) return this.refuseId(streamId, ErrorCode.REFUSED_STREAM);
    const { fault, contentLength } = requestFault(headers.fields);
    if ((fault !== undefined && !headers.tooLarge) || (ended && contentLength !== undefined && contentLength > 0)) {
      return this.refuseId(streamId, ErrorCode.PROTOCOL_ERROR);
    }
    this.retainedHeaderBytes = retainedBytes;
    const stream = this.newStream(streamId, listBytes);
    stream.declaredBytes = contentLength;
    if (ended) stream.remoteEnded();
    stream.listener = this.accept(stream, headers, ended);
    this.begunThisTurn += 1;
    if (this.begunThisTurn === 1) setImmediate(this.turnOver);
    if (this.begunThisTurn >= this.limits.requestsPerTurn) this.pauseReading();
  }

  protected override onStreamHeaders(stream: Stream, headers: DecodedHeaders, ended: boolean): void {
    const short = stream.declaredBytes !== undefined && stream.receivedBytes < stream.declaredBytes;
    if (!ended || short || trailerFault(headers.fields) !== undefined) {
      return this.refuseStream(stream, ErrorCode.PROTOCOL_ERROR);
    }
    stream.remoteEnded();
    stream.listener.onHeaders(headers.fields, headers.tooLarge, true);
  }

  protected override onGoaway(): void {
    // A client that leaves opens no more streams; those that are open end as they do.
    this.current = 'leaving';
    if (this.streams.size === 0) this.leave(this.lastPeerStreamId);
  }

  protected override onStreamGone(stream: Stream): void {
    this.retainedHeaderBytes -= stream.headerListBytes;
    if (this.streams.size === 0) this.idleSinceMs = this.now();
  }

  protected override onPeerSettings(): void {
    this.onGreeted();
    this.onGreeted = () => {};
  }

  protected override isPast(streamId: number): boolean {
    return streamId % 2 === 1 && streamId <= this.lastPeerStreamId;
  }

  private readonly turnOver = (): void => {
    const paused = this.begunThisTurn >= this.limits.requestsPerTurn;
    this.begunThisTurn = 0;
    if (paused) this.resumeReading();
  };

  private onLateHeaders(streamId: number): void {
    if (this.wasReset(streamId)) return;
    if (streamId < this.runStart) throw protocolError('a stream with a lower id than one before');
    throw new ConnectionError(ErrorCode.STREAM_CLOSED, 'HEADERS for a stream that is closed');
  }

  private refuseLater(): void {
    if (this.refusesLater) return;
    this.refusesLater = true;
    this.leave(this.lastPeerStreamId);
  }

  /** A peer that stands still in the middle of sending or receiving. */
  private checkStalls(nowMs: number): void {
    for (const stream of this.streams.values()) {
      if (stream.waitsForPeer && nowMs - stream.movedMs > this.limits.stallMs) {
        this.refuseStream(stream, ErrorCode.ENHANCE_YOUR_CALM);
      }
    }
  }
}
