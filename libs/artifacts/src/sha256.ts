import { BmsError } from '@bms/contracts';

const SHA256 = /^[0-9a-f]{64}$/;

/** Checks a digest before it becomes part of a path. Throws INVALID_REQUEST that names `field`. */
export function checkSha256(sha256: string, field = 'sha256'): void {
  if (SHA256.test(sha256)) return;
  const shown = JSON.stringify(sha256.length > 80 ? `${sha256.slice(0, 80)}…` : sha256);
  throw BmsError.invalidRequest(field, `${shown} is not a SHA-256: 64 lower-case hexadecimal digits are allowed`);
}
