import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FILE = 'router-id';
const PATTERN = /^router-[0-9a-f]{8}$/;

/** The router's stable id: made once and kept in its folder, which only this process uses. */
export function ensureRouterId(folder: string): string {
  const file = join(folder, FILE);
  const kept = readIfThere(file);
  if (kept !== undefined && PATTERN.test(kept)) return kept;
  const id = `router-${randomBytes(4).toString('hex')}`;
  writeFileSync(`${file}.tmp`, `${id}\n`);
  renameSync(`${file}.tmp`, file);
  return id;
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
