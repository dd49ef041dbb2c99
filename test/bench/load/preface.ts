import { frameHead } from './request-template';

const [SETTINGS, WINDOW_UPDATE] = [4, 8] as const;
const [HEADER_TABLE_SIZE, ENABLE_PUSH, INITIAL_WINDOW_SIZE] = [1, 2, 4] as const;

export const WINDOW_MAX = 2 ** 31 - 1;
export const WINDOW_AT_FIRST = 65_535;

/** What a caller begins a connection with: no dynamic table, no pushes, windows as large as can be. */
export function preface(): Buffer {
  const settings = Buffer.alloc(18);
  const values = [
    [HEADER_TABLE_SIZE, 0],
    [ENABLE_PUSH, 0],
    [INITIAL_WINDOW_SIZE, WINDOW_MAX],
  ] as const;
  for (const [index, [id, value]] of values.entries()) {
    settings.writeUInt16BE(id, index * 6);
    settings.writeUInt32BE(value, index * 6 + 2);
  }
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    frameHead(settings.length, SETTINGS, 0),
    settings,
    windowUpdate(WINDOW_MAX - WINDOW_AT_FIRST),
  ]);
}

/** Of the whole connection. */
export function windowUpdate(bytes: number): Buffer {
  const increment = Buffer.alloc(4);
  increment.writeUInt32BE(bytes);
  return Buffer.concat([frameHead(4, WINDOW_UPDATE, 0), increment]);
}
