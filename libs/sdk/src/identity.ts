import { hostname, userInfo } from 'node:os';

/** `user@host` of this process, for the audit trail. Metadata carries printable ASCII only. */
export function defaultPrincipal(): string {
  return `${userName()}@${hostname()}`.replace(/[^\x21-\x7e]/g, '?');
}

/** The metadata value that carries a token. */
export function bearer(token: string): string {
  return `Bearer ${token}`;
}

/** A user id without an entry in the user database has no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid-${process.getuid?.() ?? 'unknown'}`;
  }
}
