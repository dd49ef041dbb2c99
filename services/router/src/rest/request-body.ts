import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createGunzip, type Gunzip } from 'node:zlib';
import { BmsError, Reason } from '@bms/contracts';

export interface BodyOptions {
  /** The most bytes taken, as sent and unfolded. */
  readonly limitBytes: number;
  /** Called with the size of each piece that is kept; may throw, which ends the reading. */
  readonly onBytes: (bytes: number) => void;
  /** Called before the first byte is read: a caller that asked whether to send waits for it. */
  readonly onStart: () => void;
}

/**
 * The whole body of a request, unfolded where it is gzip. Stops reading as soon as it is too much.
 * Throws MESSAGE_TOO_LARGE, INVALID_REQUEST for a broken or unknown encoding, CANCELLED when the caller left, and what
 * `onBytes` throws. The request stays open: it is the caller's to answer.
 */
export async function readBody(request: IncomingMessage, options: BodyOptions): Promise<Buffer> {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity' && encoding !== 'gzip') {
    throw BmsError.invalidRequest('content-encoding', `${JSON.stringify(encoding)} is not offered: gzip is, or none`);
  }
  if (Number(request.headers['content-length'] ?? 0) > options.limitBytes) throw tooLarge(options.limitBytes);
  options.onStart();
  if (encoding === 'identity') return collect(request, request, options);
  const unfolded = createGunzip();
  try {
    request.pipe(unfolded);
    return await collect(request, unfolded, options);
  } finally {
    request.unpipe(unfolded);
    unfolded.destroy();
  }
}

function collect(request: IncomingMessage, source: Readable, { limitBytes, onBytes }: BodyOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let sizeBytes = 0;
    const settle = (error?: unknown): void => {
      source.off('data', onData).off('end', onEnd).off('error', onError);
      request.off('close', onClose);
      // What still comes is nobody's; an error of it is not to end the process.
      source.on('error', () => {});
      source.pause();
      if (error === undefined) resolve(Buffer.concat(pieces, sizeBytes));
      else reject(BmsError.from(error));
    };
    const onData = (piece: Buffer): void => {
      sizeBytes += piece.length;
      try {
        if (sizeBytes > limitBytes) throw tooLarge(limitBytes);
        onBytes(piece.length);
      } catch (error) {
        return settle(error);
      }
      pieces.push(piece);
    };
    const onEnd = (): void => settle();
    const onError = (cause: Error): void =>
      settle(isGunzip(source) ? BmsError.invalidRequest('body', 'is not gzip, or breaks off') : callerLeft(cause));
    const onClose = (): void => {
      if (!request.complete) settle(callerLeft());
    };
    source.on('data', onData).on('end', onEnd).on('error', onError);
    request.on('close', onClose);
  });
}

function isGunzip(source: Readable): source is Gunzip {
  return 'bytesWritten' in source;
}

function tooLarge(limitBytes: number): BmsError {
  return new BmsError(
    Reason.MESSAGE_TOO_LARGE,
    `body: is over the limit of ${limitBytes} bytes: send less, or raise the router's setting messageLimit`,
  );
}

function callerLeft(cause?: unknown): BmsError {
  return new BmsError(Reason.CANCELLED, 'the caller left before its request was complete', { cause });
}
