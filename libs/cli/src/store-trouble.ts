import type { meshService } from '@bms/contracts';

/** What is wrong with the store, one sentence; undefined: nothing. A doubt comes first: it needs a person. */
export function storeTrouble(store: meshService.StoreStatus | undefined): string | undefined {
  if (store?.doubt !== undefined) return `the store is in doubt: ${store.doubt.reason}`;
  if (store === undefined || store.trouble === '') return undefined;
  return `the store cannot be used: ${store.trouble}`;
}
