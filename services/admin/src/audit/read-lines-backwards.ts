import { open } from 'node:fs/promises';

const BLOCK_BYTES = 64 * 1024;
const NEWLINE = '\n'.charCodeAt(0);

/** The lines of a file from its last to its first, without empty ones. What is appended meanwhile is not seen. */
export async function* readLinesBackwards(file: string, signal: AbortSignal): AsyncIterable<string> {
  const handle = await open(file, 'r');
  try {
    let { size: endBytes } = await handle.stat();
    /** The beginning of a line whose end was read before. */
    let rest = Buffer.alloc(0);
    while (endBytes > 0) {
      signal.throwIfAborted();
      const startBytes = Math.max(0, endBytes - BLOCK_BYTES);
      const block = Buffer.alloc(endBytes - startBytes);
      await handle.read(block, 0, block.length, startBytes);
      endBytes = startBytes;
      const text = Buffer.concat([block, rest]);
      // Whatever stands before the first newline may go on in the block before; cut at bytes, as characters may be split there.
      const firstNewline = text.indexOf(NEWLINE);
      const cut = endBytes === 0 ? 0 : firstNewline < 0 ? text.length : firstNewline + 1;
      rest = text.subarray(0, cut);
      const lines = text.subarray(cut).toString('utf8').split('\n');
      for (const line of lines.reverse()) if (line !== '') yield line;
    }
  } finally {
    await handle.close();
  }
}
