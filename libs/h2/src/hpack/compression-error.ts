import { ErrorCode } from '../frames/error-code';
import { ConnectionError } from '../frames/h2-error';

/** The peer's header block can't be decoded. Its table is out of step from here on, so the whole connection ends. */
export function compressionError(why: string): ConnectionError {
  return new ConnectionError(ErrorCode.COMPRESSION_ERROR, why);
}
