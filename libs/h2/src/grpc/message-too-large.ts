import { BmsError, Reason } from '@bms/contracts';

/**
 * MESSAGE_TOO_LARGE.
 * @param sizeBytes of the message; undefined where it was not read to its end
 * @param remedy what its sender can do, such as `raise messageLimit to allow more`
 */
export function messageTooLarge(sizeBytes: number | undefined, limitBytes: number, remedy: string): BmsError {
  const size = sizeBytes === undefined ? '' : `of ${sizeBytes} bytes `;
  return new BmsError(
    Reason.MESSAGE_TOO_LARGE,
    `a message ${size}is over the limit of ${limitBytes} bytes; ${remedy}`,
    {
      facts: { limitBytes: String(limitBytes), ...(sizeBytes === undefined ? {} : { sizeBytes: String(sizeBytes) }) },
    },
  );
}
