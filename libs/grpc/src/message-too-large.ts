import { BmsError, Reason } from '@bms/contracts';

/** MESSAGE_TOO_LARGE; grpc-js's `details` tell the size, except for a compressed message. */
export function tooLarge(details: string, limitBytes: number, remedy: string): BmsError {
  const size = /\((\d+) vs\.? \d+\)/.exec(details)?.[1];
  return new BmsError(
    Reason.MESSAGE_TOO_LARGE,
    `a message ${size === undefined ? '' : `of ${size} bytes `}is over the limit of ${limitBytes} bytes; ${remedy}`,
    { facts: { limitBytes: String(limitBytes), ...(size === undefined ? {} : { sizeBytes: size }) } },
  );
}
