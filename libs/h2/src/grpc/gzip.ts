import { createGunzip, createInflate } from 'node:zlib';
import { addAbortSignal, type Transform } from 'node:stream';
import { BmsError, Reason } from '@bms/contracts';
import { shown } from './field-rules';
import type { Message } from './message';
import { messageTooLarge } from './message-too-large';
import { ownBytes } from './own-bytes';

/** What we can decode, as `grpc-accept-encoding` says it. */
export const ACCEPTED_ENCODINGS = 'identity,deflate,gzip';

/**
 * Steps in which a message is unfolded, by what goes in and by what comes out: so much is read beyond a limit, and so long other
 * work waits for the thread, of which there are four for all that Node does.
 */
const STEP_BYTES = 64 * 1024;

export interface UnfoldOptions {
  /** The largest message that is taken, unfolded; its sender is told the `remedy`. */
  readonly limitBytes: number;
  readonly remedy: string;
  readonly signal: AbortSignal;
}

/**
 * The content of a message that came under `grpc-encoding: encoding`. zlib works on threads of its own.
 *
 * Throws what https://github.com/grpc/grpc/blob/master/doc/compression.md asks for: UNIMPLEMENTED for an encoding that is none of
 * {@link ACCEPTED_ENCODINGS}, INTERNAL for a compressed message without one or with damaged content; and
 * MESSAGE_TOO_LARGE as soon as there is more of it than `limitBytes`; the signal's reason when it is aborted.
 */
export async function unfold(message: Message, encoding: string, options: UnfoldOptions): Promise<Buffer> {
  if (!message.compressed) return message.bytes;
  const decoder = decoderOf(encoding);
  const { limitBytes, remedy, signal } = options;
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    addAbortSignal(signal, decoder);
    feed(decoder, message.bytes);
    for await (const part of decoder as AsyncIterable<Buffer>) {
      bytes += part.length;
      if (bytes > limitBytes) throw messageTooLarge(undefined, limitBytes, remedy);
      parts.push(part);
    }
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    if (cause instanceof BmsError) throw cause;
    throw damaged(encoding, cause);
  }
  if (message.bytes.length === 0) throw damaged(encoding);
  const [first] = parts;
  return first !== undefined && parts.length === 1 ? ownBytes(first, 0, bytes) : Buffer.concat(parts, bytes);
}

/** Without waiting for the decoder: what it has not come to yet are views on the message. */
function feed(decoder: Transform, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; at += STEP_BYTES) decoder.write(bytes.subarray(at, at + STEP_BYTES));
  decoder.end();
}

function decoderOf(encoding: string): Transform {
  switch (encoding) {
    case 'gzip':
      return createGunzip({ chunkSize: STEP_BYTES });
    case 'deflate':
      return createInflate({ chunkSize: STEP_BYTES });
    case 'identity':
      throw new BmsError(Reason.INTERNAL, 'a message is marked as compressed, and grpc-encoding does not say how');
    default:
      throw new BmsError(
        Reason.UNIMPLEMENTED,
        `messages compressed by ${shown(encoding)} are not taken; ${ACCEPTED_ENCODINGS} are`,
      );
  }
}

function damaged(encoding: string, cause?: unknown): BmsError {
  return new BmsError(Reason.INTERNAL, `a message is no ${encoding}, or not all of it`, { cause });
}
