import { randomUUID } from 'node:crypto';

/** Printable ASCII, so that it fits into any log, header and trailer. */
const SANE = /^[\x21-\x7e]{1,128}$/;

/** The caller's own id of the request where it is sane (1 to 128 printable ASCII characters), else a new one. */
export function requestIdOf(given: string | undefined, make: () => string): string {
  return given !== undefined && SANE.test(given) ? given : make();
}

/** Makes ids that no other process makes: a random part, and a number that counts up. */
export function requestIds(): () => string {
  const run = randomUUID();
  let made = 0;
  return () => `${run}-${(made += 1)}`;
}
