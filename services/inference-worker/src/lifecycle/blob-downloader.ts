import { bearer } from '@bms/auth';
import { blobService, BmsError, CallMetadata, Reason } from '@bms/contracts';
import { createClient, Metadata, retryable, type Channel } from '@bms/transport';
import type { Clock } from '../clock';

/** Rounds of all registries that bring no byte before a download is given up; the version is then tried again later. */
const FRUITLESS_ROUNDS_MAX = 5;
const PAUSE_MS = 500;

export interface BlobDownloaderParts {
  /** `host:port` of each registry, tried in turn. */
  readonly addresses: readonly string[];
  readonly dial: (address: string) => Channel;
  readonly token: string;
  readonly clock: Clock;
}

/** Fetches blobs from the registries. */
export class BlobDownloader {
  private turn = 0;

  constructor(private readonly parts: BlobDownloaderParts) {}

  /**
   * A blob's bytes from `offsetBytes` on. Where the stream breaks, the next registry goes on at the byte that it had come to.
   * Throws BLOB_NOT_FOUND, UNAUTHENTICATED, and what the last attempt failed with. The bytes are not checked: whoever
   * stores them compares the digest.
   */
  async *download(sha256: string, offsetBytes: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const { addresses, clock } = this.parts;
    let received = offsetBytes;
    for (let fruitless = 0; ; ) {
      const before = received;
      try {
        for await (const chunk of this.attempt(sha256, received, signal)) {
          received += chunk.byteLength;
          yield chunk;
        }
        return;
      } catch (error) {
        fruitless = received === before ? fruitless + 1 : 0;
        const { reason } = BmsError.from(error);
        // The next replica may have what this one lacks for now: replicas share one store of blobs.
        const hopeless = !retryable(reason) && reason !== Reason.BLOB_NOT_FOUND;
        if (signal.aborted || hopeless || fruitless >= FRUITLESS_ROUNDS_MAX * addresses.length) throw error;
      }
      this.turn++;
      // The others are asked at once; when none of them brings anything, there is a pause.
      if (fruitless % addresses.length === 0) await clock.wait(PAUSE_MS, signal);
    }
  }

  private async *attempt(sha256: string, offsetBytes: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const { addresses, dial, token } = this.parts;
    const channel = dial(addresses[this.turn % addresses.length] ?? '');
    const metadata = Metadata.from({ [CallMetadata.authorization]: bearer(token) });
    try {
      const client = createClient(blobService.BlobServiceDefinition, channel);
      const request = { sha256, offsetBytes: BigInt(offsetBytes), ticket: '' };
      for await (const { chunk } of client.downloadBlob(request, { metadata, signal })) yield chunk;
    } finally {
      channel.close();
    }
  }
}
