import { SettingsError } from '@bms/settings';

/** Where metadata is kept. */
export type StoreAddress =
  | { readonly kind: 'embedded' }
  | {
      readonly kind: 'etcd';
      /** `host:port` each. */
      readonly endpoints: readonly string[];
      readonly tls: boolean;
    };

const ENDPOINT = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?):([0-9]{1,5})$/;

/** Reads the setting `store`. Throws SettingsError that says what is allowed. */
export function parseStoreAddress(store: string): StoreAddress {
  if (store === 'embedded') return { kind: 'embedded' };
  const match = /^(etcds?):\/\/(.*)$/s.exec(store);
  if (match === null) throw refused(store, 'embedded, etcd://HOST:PORT[,HOST:PORT…] or etcds://HOST:PORT[,HOST:PORT…]');
  const endpoints = (match[2] ?? '').split(',').map((one) => one.trim());
  for (const endpoint of endpoints) {
    const port = Number(ENDPOINT.exec(endpoint)?.[1] ?? 0);
    if (port < 1 || port > 65_535) {
      throw refused(store, `HOST:PORT for each endpoint, with commas between; ${JSON.stringify(endpoint)} is not`);
    }
  }
  if (new Set(endpoints).size < endpoints.length) throw refused(store, 'each endpoint once');
  return { kind: 'etcd', endpoints, tls: match[1] === 'etcds' };
}

function refused(store: string, allowed: string): SettingsError {
  return new SettingsError(
    `setting store (--store, BMS_STORE) is ${JSON.stringify(store.slice(0, 300))}: allowed is ${allowed}`,
  );
}
