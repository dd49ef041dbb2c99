import type { BlobStore } from '@bms/artifacts';
import { requireServiceToken, verifyDownloadTicket, verifyUploadTicket, type ServiceToken } from '@bms/auth';
import { blobService, BmsError, Reason } from '@bms/contracts';
import { implement, type Metadata, type Routes } from '@bms/transport';

export interface BlobHandlerOptions {
  readonly blobs: BlobStore;
  readonly token: ServiceToken;
  readonly nowMs: () => number;
}

/** The largest chunk, up and down. */
export const CHUNK_BYTES_MAX = 1024 * 1024;

/** BlobService: bytes of artifacts, in by ticket, out by ticket or by the service token. */
export function blobHandler({ blobs, token, nowMs }: BlobHandlerOptions): Routes {
  /** Throws UNAUTHENTICATED for a bad ticket, PERMISSION_DENIED for bytes that it does not name. */
  const checkTicket = async (signed: string, sha256: string, sizeBytes: bigint): Promise<void> => {
    const ticket = await verifyUploadTicket(token, signed, nowMs());
    const promised = Object.hasOwn(ticket.blobs, sha256) ? ticket.blobs[sha256] : undefined;
    if (promised === undefined) {
      throw new BmsError(Reason.PERMISSION_DENIED, `the upload ticket is not for the digest ${sha256.slice(0, 64)}`);
    }
    if (BigInt(promised) !== sizeBytes) {
      throw BmsError.invalidRequest('size_bytes', `${sizeBytes} is not what the upload ticket is for: ${promised}`);
    }
  };

  /** Throws UNAUTHENTICATED for a bad ticket, or where there is neither ticket nor token; PERMISSION_DENIED for other bytes. */
  const checkDownload = async (signed: string, sha256: string, metadata: Metadata): Promise<void> => {
    if (signed === '') {
      requireServiceToken(token, metadata);
      return;
    }
    const ticket = await verifyDownloadTicket(token, signed, nowMs());
    if (ticket.blobs.includes(sha256)) return;
    throw new BmsError(Reason.PERMISSION_DENIED, `the download ticket is not for the digest ${sha256.slice(0, 64)}`);
  };

  return implement(blobService.BlobServiceDefinition, {
    statBlob: async ({ ticket, sha256, sizeBytes }) => {
      await checkTicket(ticket, sha256, sizeBytes);
      const state = await blobs.stat(sha256);
      switch (state.kind) {
        case 'absent':
          return { complete: false, receivedBytes: 0n };
        case 'partial':
          return { complete: false, receivedBytes: BigInt(state.receivedBytes) };
        case 'complete':
          return { complete: true, receivedBytes: BigInt(state.sizeBytes) };
      }
    },

    uploadBlob: async (requests, { signal }) => {
      const messages = requests[Symbol.asyncIterator]();
      const first = await messages.next();
      const kind = first.done === true ? undefined : first.value.kind;
      if (kind?.$case !== 'header') throw BmsError.invalidRequest('header', 'must be the first message');
      const { ticket, sha256, sizeBytes, offsetBytes } = kind.value;
      await checkTicket(ticket, sha256, sizeBytes);
      const chunks = chunksOf({ [Symbol.asyncIterator]: () => messages });
      const receivedBytes = await blobs.write(sha256, Number(sizeBytes), Number(offsetBytes), chunks, signal);
      return { receivedBytes: BigInt(receivedBytes) };
    },

    downloadBlob: async function* ({ sha256, offsetBytes, ticket }, { signal, metadata }) {
      await checkDownload(ticket, sha256, metadata);
      const bytes = await blobs.read(sha256, Number(offsetBytes));
      const abort = (): void => void bytes.destroy();
      signal.addEventListener('abort', abort, { once: true });
      try {
        for await (const chunk of bytes as AsyncIterable<Buffer>) {
          for (let at = 0; at < chunk.byteLength; at += CHUNK_BYTES_MAX) {
            yield { chunk: chunk.subarray(at, at + CHUNK_BYTES_MAX) };
          }
        }
      } finally {
        signal.removeEventListener('abort', abort);
        bytes.destroy();
      }
    },
  });
}

async function* chunksOf(requests: AsyncIterable<blobService.UploadBlobRequest>): AsyncIterable<Uint8Array> {
  for await (const { kind } of requests) {
    if (kind?.$case !== 'chunk') throw BmsError.invalidRequest('chunk', 'only chunks may follow the header');
    if (kind.value.byteLength > CHUNK_BYTES_MAX) {
      throw BmsError.invalidRequest(
        'chunk',
        `has ${kind.value.byteLength} bytes: at most ${CHUNK_BYTES_MAX} are allowed`,
      );
    }
    yield kind.value;
  }
}
