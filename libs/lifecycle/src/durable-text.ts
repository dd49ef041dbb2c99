import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';

// Small files that a process keeps about itself in its state folder.

/** What a file holds; undefined where there is none. */
export function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Replaces a file as a whole or not at all, also when the machine loses its power meanwhile. One writer a file. */
export function writeDurably(file: string, text: string): void {
  const draft = `${file}.tmp`;
  const fd = openSync(draft, 'w');
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(draft, file);
}
