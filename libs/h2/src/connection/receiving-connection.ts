import type { Socket } from 'node:net';
import { pingFrame, SETTINGS_ACK } from '../frames/control-frames';
import { ErrorCode } from '../frames/error-code';
import { Flag, FrameType, WINDOW_MAX_BYTES } from '../frames/frame';
import { FrameReader, type FrameSink } from '../frames/frame-reader';
import { ConnectionError } from '../frames/h2-error';
import { HpackDecoder, type DecodedHeaders } from '../hpack/hpack-decoder';
import { Connection, type ConnectionOptions } from './connection';
import { HeaderBlock, headersFragment } from './header-block';
import type { Stream } from './stream';

/** A connection as the frames of its peer change it (RFC 9113 §6). What the two ends do differently stands in the two that extend it. */
export abstract class ReceivingConnection extends Connection implements FrameSink {
  private readonly decoder: HpackDecoder;
  private readonly reader: FrameReader;
  private block: HeaderBlock | undefined;
  private frameDataBytes = 0;
  private settingsAcknowledged = false;

  protected constructor(socket: Socket, options: ConnectionOptions, role: 'server' | 'client') {
    super(socket, options, role);
    this.decoder = new HpackDecoder(options.limits);
    this.reader = new FrameReader(this, role === 'server');
    socket.on('data', (chunk: Buffer) => {
      if (this.current !== 'ended') this.read(() => this.reader.push(chunk));
    });
  }

  /** Called about once a second. */
  checkTimes(nowMs: number): void {
    if (this.block !== undefined && nowMs - this.block.sinceMs > this.limits.headerBlockWithinMs) {
      this.fail(new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'a header block took too long'));
    }
  }

  onFrame(type: number, flags: number, streamId: number, payload: Buffer): void {
    if (this.current === 'ended') return;
    if (this.current === 'greeting' && (type !== FrameType.SETTINGS || (flags & Flag.ACK) !== 0)) {
      throw protocolError('the first frame is not SETTINGS');
    }
    if (this.block !== undefined && (type !== FrameType.CONTINUATION || streamId !== this.block.streamId)) {
      throw protocolError('a header block was left unfinished');
    }
    switch (type) {
      case FrameType.HEADERS:
        return this.onHeadersFrame(flags, streamId, payload);
      case FrameType.CONTINUATION:
        return this.onContinuation(flags, payload);
      case FrameType.WINDOW_UPDATE:
        return this.onWindowUpdate(streamId, payload);
      case FrameType.RST_STREAM:
        return this.onResetFrame(streamId, payload);
      case FrameType.SETTINGS:
        return this.onSettings(flags, streamId, payload);
      case FrameType.PING:
        return this.onPing(flags, streamId, payload);
      case FrameType.GOAWAY:
        return this.onGoawayFrame(streamId, payload);
      case FrameType.PRIORITY:
        return this.onPriority(streamId, payload);
      case FrameType.PUSH_PROMISE:
        throw protocolError('PUSH_PROMISE, which nobody asked for');
      default:
        return this.guard.glitch();
    }
  }

  onData(streamId: number, bytes: Buffer, countedBytes: number, last: boolean, ended: boolean): void {
    if (this.current === 'ended') return;
    if (this.current === 'greeting') throw protocolError('the first frame is not SETTINGS');
    if (this.block !== undefined) throw protocolError('a header block was left unfinished');
    if (!this.receiveWindow.take(countedBytes)) {
      throw new ConnectionError(
        ErrorCode.FLOW_CONTROL_ERROR,
        'more DATA than the window of the connection has room for',
      );
    }
    this.frameDataBytes += bytes.length;
    if (last) {
      this.guard.data(this.frameDataBytes, ended);
      this.frameDataBytes = 0;
    }
    // At once: a stream that nobody reads is held back by its own window, and holds no other stream back.
    this.creditConnection(countedBytes);
    const stream = this.streams.get(streamId);
    if (stream === undefined) return this.dataWithoutStream(streamId);
    if (!stream.remoteOpen) return this.refuseStream(stream, ErrorCode.STREAM_CLOSED);
    if (!stream.receiveWindow.take(countedBytes)) return this.refuseStream(stream, ErrorCode.FLOW_CONTROL_ERROR);
    stream.receivedBytes += bytes.length;
    const { declaredBytes, receivedBytes } = stream;
    if (declaredBytes !== undefined && (receivedBytes > declaredBytes || (ended && receivedBytes < declaredBytes))) {
      return this.refuseStream(stream, ErrorCode.PROTOCOL_ERROR);
    }
    stream.moved(bytes.length);
    if (countedBytes > bytes.length) stream.consume(countedBytes - bytes.length);
    if (ended) stream.remoteEnded();
    stream.listener.onData(bytes, ended);
  }

  /** A header list came for a stream that there is none of, so far. */
  protected abstract onHeadersWithoutStream(
    streamId: number,
    headers: DecodedHeaders,
    ended: boolean,
    selfDependent: boolean,
  ): void;
  /** A header list came for `stream`. */
  protected abstract onStreamHeaders(stream: Stream, headers: DecodedHeaders, ended: boolean): void;
  protected abstract onGoaway(lastStreamId: number, code: ErrorCode): void;
  /** The peer's SETTINGS have come, or changed. */
  protected abstract onPeerSettings(): void;
  /** Whether a stream of this id was in use once, or was skipped; the others are still to come. */
  protected abstract isPast(streamId: number): boolean;

  protected override pauseReading(): void {
    this.reader.stop();
    super.pauseReading();
  }

  protected override resumeReading(): void {
    if (this.current === 'ended') return;
    super.resumeReading();
    this.read(() => this.reader.goOn());
  }

  private read(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (!(error instanceof ConnectionError)) this.options.onInternalError?.(error);
      this.fail(
        error instanceof ConnectionError ? error : new ConnectionError(ErrorCode.INTERNAL_ERROR, 'an internal error'),
      );
    }
  }

  private onHeadersFrame(flags: number, streamId: number, payload: Buffer): void {
    if (streamId === 0) throw protocolError('HEADERS without a stream');
    const { fragment, selfDependent } = headersFragment(flags, streamId, payload);
    const ended = (flags & Flag.END_STREAM) !== 0;
    if ((flags & Flag.END_HEADERS) !== 0) {
      if (fragment.length > this.limits.headerBlockBytes) throw protocolError('a header block that is too large');
      this.onHeaderBlock(streamId, fragment, ended, selfDependent);
      return;
    }
    this.block = new HeaderBlock(streamId, ended, this.now(), this.limits);
    this.block.add(fragment);
  }

  private onContinuation(flags: number, payload: Buffer): void {
    const { block } = this;
    if (block === undefined) throw protocolError('CONTINUATION of nothing');
    block.continue(payload);
    if ((flags & Flag.END_HEADERS) === 0) return;
    this.block = undefined;
    this.onHeaderBlock(block.streamId, block.whole(), block.ended, false);
  }

  private onHeaderBlock(streamId: number, block: Buffer, ended: boolean, selfDependent: boolean): void {
    // Decoded in any case: the table must stay the same as the peer's.
    const headers = this.decoder.decode(block);
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.onHeadersWithoutStream(streamId, headers, ended, selfDependent);
      return;
    }
    if (selfDependent) return this.refuseStream(stream, ErrorCode.PROTOCOL_ERROR);
    if (!stream.remoteOpen) return this.refuseStream(stream, ErrorCode.STREAM_CLOSED);
    this.onStreamHeaders(stream, headers, ended);
  }

  private dataWithoutStream(streamId: number): void {
    if (streamId === 0 || !this.isPast(streamId)) throw protocolError('DATA for a stream that has not begun');
    if (this.wasReset(streamId)) return;
    this.refuseId(streamId, ErrorCode.STREAM_CLOSED);
  }

  private onWindowUpdate(streamId: number, payload: Buffer): void {
    requireLength('WINDOW_UPDATE', payload, 4);
    const bytes = payload.readUInt32BE(0) & 0x7fffffff;
    this.guard.windowUpdate(bytes);
    if (streamId === 0) {
      if (bytes === 0) throw protocolError('a WINDOW_UPDATE of 0');
      this.turns.windowBytes += bytes;
      if (this.turns.windowBytes > WINDOW_MAX_BYTES) throw windowTooLarge();
      if (this.turns.length > 0) this.outbox.schedule();
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (!this.isPast(streamId)) throw protocolError('WINDOW_UPDATE for a stream that has not begun');
      return;
    }
    if (bytes === 0) return this.refuseStream(stream, ErrorCode.PROTOCOL_ERROR);
    stream.sendWindowBytes += bytes;
    if (stream.sendWindowBytes > WINDOW_MAX_BYTES) return this.refuseStream(stream, ErrorCode.FLOW_CONTROL_ERROR);
    stream.moved(bytes);
    if (stream.hasQueue) this.wait(stream);
  }

  private onResetFrame(streamId: number, payload: Buffer): void {
    requireLength('RST_STREAM', payload, 4);
    const stream = this.streams.get(streamId);
    if (stream === undefined && (streamId === 0 || !this.isPast(streamId))) {
      throw protocolError('RST_STREAM for a stream that has not begun');
    }
    const code = payload.readUInt32BE(0);
    if (stream !== undefined) {
      stream.drop();
      this.closed(stream);
      stream.listener.onReset({ by: 'peer', code, unprocessed: code === ErrorCode.REFUSED_STREAM });
    }
    this.guard.reset();
  }

  private onSettings(flags: number, streamId: number, payload: Buffer): void {
    if (streamId !== 0) throw protocolError('SETTINGS of a stream');
    if ((flags & Flag.ACK) !== 0) {
      requireLength('SETTINGS with ACK', payload, 0);
      if (this.settingsAcknowledged) this.guard.glitch();
      this.settingsAcknowledged = true; // they are sent once
      return;
    }
    const windowBefore = this.peer.initialWindowBytes;
    this.peer.read(payload, this.limits.settingsEntries);
    this.encoder.setTableLimit(this.peer.headerTableBytes);
    const moreBytes = this.peer.initialWindowBytes - windowBefore;
    if (moreBytes !== 0) this.widenStreams(moreBytes);
    this.control(SETTINGS_ACK);
    if (this.current === 'greeting') this.current = 'open';
    else this.guard.glitch();
    this.onPeerSettings();
  }

  private widenStreams(moreBytes: number): void {
    for (const stream of this.streams.values()) {
      stream.sendWindowBytes += moreBytes;
      if (stream.sendWindowBytes > WINDOW_MAX_BYTES) throw windowTooLarge();
      if (stream.hasQueue) this.wait(stream);
    }
  }

  private onPing(flags: number, streamId: number, payload: Buffer): void {
    if (streamId !== 0) throw protocolError('PING of a stream');
    requireLength('PING', payload, 8);
    if ((flags & Flag.ACK) !== 0) {
      const onAnswer = this.pings.shift();
      if (onAnswer === undefined) this.guard.glitch();
      else onAnswer();
      return;
    }
    this.guard.ping(this.streams.size > 0);
    this.control(pingFrame(payload, true));
  }

  private onGoawayFrame(streamId: number, payload: Buffer): void {
    if (streamId !== 0) throw protocolError('GOAWAY of a stream');
    if (payload.length < 8) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, `GOAWAY of ${payload.length} bytes`);
    this.guard.glitch();
    this.onGoaway(payload.readUInt32BE(0) & 0x7fffffff, payload.readUInt32BE(4));
  }

  private onPriority(streamId: number, payload: Buffer): void {
    if (streamId === 0) throw protocolError('PRIORITY without a stream');
    this.guard.glitch();
    const wrong =
      payload.length !== 5
        ? ErrorCode.FRAME_SIZE_ERROR
        : (payload.readUInt32BE(0) & 0x7fffffff) === streamId
          ? ErrorCode.PROTOCOL_ERROR
          : undefined;
    if (wrong === undefined) return;
    const stream = this.streams.get(streamId);
    if (stream === undefined) return this.refuseId(streamId, wrong);
    this.refuseStream(stream, wrong);
  }
}

export function protocolError(why: string): ConnectionError {
  return new ConnectionError(ErrorCode.PROTOCOL_ERROR, why);
}

function windowTooLarge(): ConnectionError {
  return new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, `a window of more than ${WINDOW_MAX_BYTES} bytes`);
}

function requireLength(what: string, payload: Buffer, bytes: number): void {
  if (payload.length === bytes) return;
  throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, `${what} of ${payload.length} bytes instead of ${bytes}`);
}
