import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { readIfThere, writeDurably } from '@bms/lifecycle';

const FILE = 'router-id';
const PATTERN = /^router-[0-9a-f]{8}$/;

/** The router's stable id: made once and kept in its folder, which only this process uses. */
export function ensureRouterId(folder: string): string {
  const file = join(folder, FILE);
  const kept = readIfThere(file)?.trim();
  if (kept !== undefined && PATTERN.test(kept)) return kept;
  const id = `router-${randomBytes(4).toString('hex')}`;
  writeDurably(file, `${id}\n`);
  return id;
}
