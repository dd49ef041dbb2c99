import { isIP } from 'node:net';
import { hostname } from 'node:os';

/**
 * Whether a Host header names this server. A web page can have its own name resolve to this address (DNS rebinding) and then talk to
 * admin as if it were its own server; but it cannot make the browser say another name than its own. Addresses are no names, so all
 * of them are fine.
 */
export function isOwnHost(header: string | undefined, ownNames: ReadonlySet<string>): boolean {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::[0-9]{1,5})?$/i.exec(header ?? '');
  const host = (match?.[1] ?? match?.[2] ?? '').toLowerCase();
  return host !== '' && (isIP(host) !== 0 || ownNames.has(host));
}

/** What this server may be called. */
export function ownNames(host: string, advertised: string): ReadonlySet<string> {
  return new Set(['localhost', hostname(), host, advertised].map((name) => name.toLowerCase()));
}
