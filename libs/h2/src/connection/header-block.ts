import { ErrorCode } from '../frames/error-code';
import { Flag } from '../frames/frame';
import { ConnectionError } from '../frames/h2-error';
import type { ConnectionLimits } from '../limits';

const PRIORITY_BYTES = 5;

/** A header block that has begun: HEADERS, and what CONTINUATION adds to it. Nothing else may come between (RFC 9113 §6.10). */
export class HeaderBlock {
  private readonly parts: Buffer[] = [];
  private bytes = 0;
  private continuations = 0;

  constructor(
    readonly streamId: number,
    readonly ended: boolean,
    readonly sinceMs: number,
    private readonly limits: ConnectionLimits,
  ) {}

  /** Throws ConnectionError: a block that is cut off would leave the two tables out of step, so the connection ends. */
  add(part: Buffer): void {
    this.bytes += part.length;
    if (this.bytes > this.limits.headerBlockBytes) throw tooMuch(`${this.limits.headerBlockBytes} bytes`);
    // What is kept longer than this turn must not keep the piece of memory that it was read into.
    if (part.length > 0) this.parts.push(Buffer.from(part));
  }

  continue(part: Buffer): void {
    this.continuations += 1;
    if (this.continuations > this.limits.continuations)
      throw tooMuch(`${this.limits.continuations} CONTINUATION frames`);
    this.add(part);
  }

  whole(): Buffer {
    return this.parts.length === 1 ? (this.parts[0] as Buffer) : Buffer.concat(this.parts);
  }
}

/**
 * The fragment in a HEADERS frame, without padding and priority.
 * Throws ConnectionError; `selfDependent` is for the caller to refuse.
 */
export function headersFragment(
  flags: number,
  streamId: number,
  payload: Buffer,
): { readonly fragment: Buffer; readonly selfDependent: boolean } {
  let start = 0;
  let end = payload.length;
  if ((flags & Flag.PADDED) !== 0) {
    if (end < 1) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'a padded HEADERS frame without its padding');
    start = 1;
    end -= payload[0] ?? 0;
  }
  let selfDependent = false;
  if ((flags & Flag.PRIORITY) !== 0) {
    if (end - start < PRIORITY_BYTES)
      throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'HEADERS without the priority it announces');
    selfDependent = (payload.readUInt32BE(start) & 0x7fffffff) === streamId;
    start += PRIORITY_BYTES;
  }
  if (end < start) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'the padding is longer than the frame');
  return { fragment: payload.subarray(start, end), selfDependent };
}

function tooMuch(what: string): ConnectionError {
  return new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, `a header block of more than ${what}`);
}
