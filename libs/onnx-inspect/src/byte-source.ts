import { open } from 'node:fs/promises';

/** Bytes that can be read anywhere: a file, a blob, an array. */
export interface ByteSource {
  readonly sizeBytes: number;
  /** The bytes at an offset; fewer than asked for only where the source ends. The caller may keep them. */
  read(offsetBytes: number, lengthBytes: number): Promise<Uint8Array>;
}

/** A file as a {@link ByteSource}; must be closed. */
export interface FileSource extends ByteSource {
  close(): Promise<void>;
}

export function bytesSource(bytes: Uint8Array): ByteSource {
  return {
    sizeBytes: bytes.byteLength,
    read: async (offsetBytes, lengthBytes) => bytes.subarray(offsetBytes, offsetBytes + lengthBytes),
  };
}

/** Opens a file for random reading. Throws what the file system throws, such as ENOENT. */
export async function fileSource(path: string): Promise<FileSource> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    return {
      sizeBytes: size,
      read: async (offsetBytes, lengthBytes) => {
        const bytes = Buffer.allocUnsafeSlow(Math.max(0, Math.min(lengthBytes, size - offsetBytes)));
        let filled = 0;
        while (filled < bytes.length) {
          const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, offsetBytes + filled);
          if (bytesRead === 0) break;
          filled += bytesRead;
        }
        return bytes.subarray(0, filled);
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}
