/** Where a store is: in the registry's own process, or at these etcds. */
export type StoreAddress =
  | { readonly kind: 'embedded' }
  | { readonly kind: 'etcd'; readonly tls: boolean; readonly endpoints: readonly string[] };

const ALLOWED = 'embedded, etcd://HOST:PORT[,HOST:PORT…] or etcds://… (TLS)';

/** What `--store` says. Throws RangeError that says what is wrong and what is allowed. */
export function parseStoreAddress(text: string): StoreAddress {
  if (text === 'embedded') return { kind: 'embedded' };
  const parts = /^(etcds?):\/\/([^/]+)\/?$/.exec(text);
  if (parts === null) throw new RangeError(`${JSON.stringify(text)} is no store: allowed is ${ALLOWED}`);
  const [, scheme, hosts = ''] = parts;
  const endpoints = hosts.split(',').map((endpoint) => endpoint.trim());
  for (const endpoint of endpoints) checkEndpoint(endpoint);
  return { kind: 'etcd', tls: scheme === 'etcds', endpoints };
}

/** Throws RangeError where it is not `HOST:PORT`. */
export function checkEndpoint(endpoint: string): void {
  const port = Number(/^(?:[\w.-]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})$/.exec(endpoint)?.[1] ?? 0);
  if (port < 1 || port > 65_535) {
    throw new RangeError(`${JSON.stringify(endpoint)} is no endpoint: allowed is HOST:PORT, with a port of 1 to 65535`);
  }
}
