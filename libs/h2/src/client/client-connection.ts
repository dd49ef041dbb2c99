import type { Socket } from 'node:net';
import type { ConnectionOptions } from '../connection/connection';
import { protocolError, ReceivingConnection } from '../connection/receiving-connection';
import type { Stream, StreamListener } from '../connection/stream';
import { ErrorCode } from '../frames/error-code';
import { STREAM_ID_MAX } from '../frames/frame';
import { ConnectionError } from '../frames/h2-error';
import { responseFault, trailerFault } from '../grpc/header-rules';
import type { DecodedHeaders } from '../hpack/hpack-decoder';
import type { HeaderFields } from '../hpack/header-fields';

export interface ClientConnectionEvents {
  /** The peer's SETTINGS are there: it takes calls. */
  onReady(): void;
  /** There may be room for a stream that had to wait. */
  onRoom(): void;
  /** The peer takes no new streams; those that are open may end. */
  onLeaving(): void;
  /** Its ids are used up: the next stream needs another connection. */
  onSpent(): void;
}

/** Ids are not used up to the last one: a new connection is made in time. */
const LAST_STREAM_ID = Math.floor(STREAM_ID_MAX * 0.75);

/** The end that calls. */
export class ClientConnection extends ReceivingConnection {
  private nextId = 1;
  private ready = false;

  constructor(
    socket: Socket,
    options: ConnectionOptions,
    private readonly events: ClientConnectionEvents,
  ) {
    super(socket, options, 'client');
  }

  /** Whether a stream can begin now. */
  get hasRoom(): boolean {
    return this.current === 'open' && this.streams.size < this.peer.concurrentStreams;
  }

  /** The largest header list that the peer says it takes. */
  get headerListLimitBytes(): number {
    return this.peer.headerListBytes;
  }

  /** Begins a stream with its header list; only where {@link hasRoom}. */
  open(fields: HeaderFields, listener: StreamListener): Stream {
    const stream = this.newStream(this.nextId, 0);
    this.nextId += 2;
    stream.listener = listener;
    stream.sendHeaders(fields, false);
    if (this.nextId > LAST_STREAM_ID) {
      this.current = 'leaving';
      this.events.onSpent();
    }
    return stream;
  }

  /** Begins nothing more; closes when the streams there are have ended. */
  close(): void {
    if (this.current !== 'ended') this.leave(0);
  }

  protected override onHeadersWithoutStream(streamId: number): void {
    if (!this.isPast(streamId)) throw protocolError('HEADERS for a stream that has not begun');
    if (this.wasReset(streamId)) return;
    throw new ConnectionError(ErrorCode.STREAM_CLOSED, 'HEADERS for a stream that is closed');
  }

  protected override onStreamHeaders(stream: Stream, headers: DecodedHeaders, ended: boolean): void {
    const right = stream.headersSeen ? ended && trailerFault(headers.fields) === undefined : takeHead(stream, headers);
    if (!right) return this.refuseStream(stream, ErrorCode.PROTOCOL_ERROR);
    const interim = headers.fields[0] === ':status' && headers.fields[1]?.startsWith('1') === true;
    if (interim && ended) return this.refuseStream(stream, ErrorCode.PROTOCOL_ERROR);
    if (interim) return this.guard.glitch();
    stream.headersSeen = true;
    if (ended) stream.remoteEnded();
    stream.listener.onHeaders(headers.fields, headers.tooLarge, ended);
  }

  protected override onGoaway(lastStreamId: number): void {
    const before = this.current;
    this.current = 'leaving';
    for (const stream of [...this.streams.values()]) {
      if (stream.id <= lastStreamId) continue;
      stream.drop();
      this.closed(stream);
      stream.listener.onReset({ by: 'peer', code: ErrorCode.REFUSED_STREAM, unprocessed: true });
    }
    if (before !== 'leaving') this.events.onLeaving();
    if (this.streams.size === 0) this.leave(0);
  }

  protected override onStreamGone(): void {
    if (this.current === 'open') this.events.onRoom();
  }

  protected override onPeerSettings(): void {
    if (this.ready) return this.events.onRoom();
    this.ready = true;
    this.events.onReady();
  }

  protected override isPast(streamId: number): boolean {
    return streamId % 2 === 1 && streamId < this.nextId;
  }
}

/** Notes how much an answer says will follow. False: it must not begin so. Of a list that was cut, the listener is told instead. */
function takeHead(stream: Stream, { fields, tooLarge }: DecodedHeaders): boolean {
  const { fault, contentLength } = responseFault(fields);
  stream.declaredBytes = contentLength;
  return tooLarge || fault === undefined;
}
