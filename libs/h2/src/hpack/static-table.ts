import type { HeaderFields } from './header-fields';

/** RFC 7541 appendix A, from index 1 on. */
const FIELDS: HeaderFields = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language', ''],
  ['accept-ranges', ''],
  ['accept', ''],
  ['access-control-allow-origin', ''],
  ['age', ''],
  ['allow', ''],
  ['authorization', ''],
  ['cache-control', ''],
  ['content-disposition', ''],
  ['content-encoding', ''],
  ['content-language', ''],
  ['content-length', ''],
  ['content-location', ''],
  ['content-range', ''],
  ['content-type', ''],
  ['cookie', ''],
  ['date', ''],
  ['etag', ''],
  ['expect', ''],
  ['expires', ''],
  ['from', ''],
  ['host', ''],
  ['if-match', ''],
  ['if-modified-since', ''],
  ['if-none-match', ''],
  ['if-range', ''],
  ['if-unmodified-since', ''],
  ['last-modified', ''],
  ['link', ''],
  ['location', ''],
  ['max-forwards', ''],
  ['proxy-authenticate', ''],
  ['proxy-authorization', ''],
  ['range', ''],
  ['referer', ''],
  ['refresh', ''],
  ['retry-after', ''],
  ['server', ''],
  ['set-cookie', ''],
  ['strict-transport-security', ''],
  ['transfer-encoding', ''],
  ['user-agent', ''],
  ['vary', ''],
  ['via', ''],
  ['www-authenticate', ''],
].flat();

/** The highest static index; the dynamic table's begin behind it. */
export const STATIC_FIELDS = FIELDS.length / 2;

/** @param index from 1 to {@link STATIC_FIELDS} */
export function staticName(index: number): string {
  return FIELDS[2 * index - 2] as string;
}

/** @param index from 1 to {@link STATIC_FIELDS} */
export function staticValue(index: number): string {
  return FIELDS[2 * index - 1] as string;
}

/** Where a name stands in the static table. */
export interface StaticName {
  /** Of its first entry. */
  readonly index: number;
  /** Of its entries, by value. */
  readonly byValue: ReadonlyMap<string, number>;
}

const NAMES = indexByName();

export function findStaticName(name: string): StaticName | undefined {
  return NAMES.get(name);
}

function indexByName(): ReadonlyMap<string, StaticName> {
  const names = new Map<string, { index: number; byValue: Map<string, number> }>();
  for (let index = 1; index <= STATIC_FIELDS; index++) {
    const name = staticName(index);
    const known = names.get(name) ?? { index, byValue: new Map<string, number>() };
    known.byValue.set(staticValue(index), index);
    names.set(name, known);
  }
  return names;
}
