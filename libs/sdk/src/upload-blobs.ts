import { createReadStream } from 'node:fs';
import { BmsError, blobService, Reason, type adminService } from '@bms/contracts';
import { createClient, type Channel, type Client } from '@bms/transport';
import { BlobAddresses } from './blob-addresses';
import type { Clock } from './clock';
import { changedMeanwhile, givenUp } from './push-errors';
import { pauseBeforeMs, type RetryPolicy } from './retry';
import { whileMoving } from './while-moving';

/** One content to upload. */
export interface Blob {
  readonly path: string;
  readonly file: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** How far the upload of all blobs is. */
export type UploadProgress =
  | { readonly phase: 'uploading'; readonly doneBytes: number; readonly totalBytes: number }
  | { readonly phase: 'waiting'; readonly pauseMs: number; readonly reason: string };

export interface UploadOptions {
  readonly onProgress?: (progress: UploadProgress) => void;
  readonly signal?: AbortSignal;
}

export interface UploadServices {
  readonly dial: (address: string) => Channel;
  readonly clock: Clock;
  readonly random: () => number;
}

/** The contract allows 1 MiB. */
const CHUNK_BYTES = 512 * 1024;
const STAT_TIMEOUT_MS = 30_000;
/** An upload that moves nothing for this long is broken off and continued. Hashing a large file at the other end is quiet, too. */
const STALL_MS = 120_000;
/** Attempts in a row that brought not one byte: some 10 s, the restart of a registry. */
const UPLOAD_POLICY: RetryPolicy = { attempts: 8, firstPauseMs: 100, maxPauseMs: 2_000, idempotent: true };
const UPLOAD_AGAIN = [
  Reason.CONNECTION_FAILED,
  Reason.WORKER_LOST,
  Reason.DRAINING,
  Reason.STORE_UNAVAILABLE,
  Reason.UPLOAD_INTERRUPTED,
  Reason.OVERLOADED,
  Reason.DEADLINE_EXCEEDED,
  Reason.CONFLICT, // the end of the stream that broke off has not reached its writer yet
];

/** Sends each blob that is not there yet, from where it broke off; answers how many bytes were sent. */
export async function uploadBlobs(
  blobs: readonly Blob[],
  ticket: adminService.CreateUploadResponse,
  options: UploadOptions,
  services: UploadServices,
): Promise<number> {
  const uploader = new Uploader(ticket, blobs, options, services);
  try {
    for (const blob of blobs) await uploader.upload(blob);
    return uploader.sentBytes;
  } finally {
    uploader.close();
  }
}

class Uploader {
  sentBytes = 0;
  private readonly totalBytes: number;
  /** Of the blobs that are complete. */
  private completeBytes = 0;
  private readonly addresses: BlobAddresses;

  constructor(
    private readonly ticket: adminService.CreateUploadResponse,
    blobs: readonly Blob[],
    private readonly options: UploadOptions,
    private readonly services: UploadServices,
  ) {
    this.addresses = new BlobAddresses(ticket.blobAddresses, services.dial);
    this.totalBytes = blobs.reduce((sum, blob) => sum + blob.sizeBytes, 0);
  }

  async upload(blob: Blob): Promise<void> {
    const { clock, random } = this.services;
    let furthest = -1;
    for (let attempt = 1; ; attempt++) {
      try {
        const client = this.client();
        const stat = await this.stat(client, blob);
        if (stat.complete) break;
        if (Number(stat.receivedBytes) > furthest) attempt = 1;
        furthest = Math.max(furthest, Number(stat.receivedBytes));
        await this.send(client, blob, Number(stat.receivedBytes));
        break;
      } catch (error) {
        if (this.options.signal?.aborted === true) throw givenUp(error);
        if (attempt >= UPLOAD_POLICY.attempts || !BmsError.is(error, ...UPLOAD_AGAIN)) throw error;
        this.addresses.moveOn();
        const pauseMs = pauseBeforeMs(attempt + 1, UPLOAD_POLICY, error, random);
        this.options.onProgress?.({ phase: 'waiting', pauseMs, reason: error.message });
        await clock.sleep(pauseMs, this.options.signal);
      }
    }
    this.completeBytes += blob.sizeBytes;
    this.tell(0);
  }

  close(): void {
    this.addresses.close();
  }

  private async stat(client: BlobClient, blob: Blob): Promise<blobService.StatBlobResponse> {
    return client.statBlob(
      { ticket: this.ticket.ticket, sha256: blob.sha256, sizeBytes: BigInt(blob.sizeBytes) },
      { deadlineMs: this.services.clock.now() + STAT_TIMEOUT_MS, signal: this.options.signal },
    );
  }

  private async send(client: BlobClient, blob: Blob, offsetBytes: number): Promise<void> {
    await whileMoving(STALL_MS, this.options.signal, async (signal, moved) => {
      await client.uploadBlob(this.messages(blob, offsetBytes, moved), { signal });
    });
  }

  private async *messages(
    blob: Blob,
    offsetBytes: number,
    onMove: () => void,
  ): AsyncIterable<blobService.UploadBlobRequest> {
    const header = {
      ticket: this.ticket.ticket,
      sha256: blob.sha256,
      sizeBytes: BigInt(blob.sizeBytes),
      offsetBytes: BigInt(offsetBytes),
    };
    yield { kind: { $case: 'header', value: header } };
    let position = offsetBytes;
    for await (const chunk of createReadStream(blob.file, { start: offsetBytes, highWaterMark: CHUNK_BYTES })) {
      const value = chunk as Buffer;
      if (position + value.byteLength > blob.sizeBytes) throw changedMeanwhile(blob.path);
      yield { kind: { $case: 'chunk', value } };
      onMove();
      position += value.byteLength;
      this.sentBytes += value.byteLength;
      this.tell(position);
    }
    if (position !== blob.sizeBytes) throw changedMeanwhile(blob.path);
  }

  private tell(ofThisBlobBytes: number): void {
    const doneBytes = this.completeBytes + ofThisBlobBytes;
    this.options.onProgress?.({ phase: 'uploading', doneBytes, totalBytes: this.totalBytes });
  }

  private client(): BlobClient {
    return createClient(blobService.BlobServiceDefinition, this.addresses.channel);
  }
}

type BlobClient = Client<blobService.BlobServiceDefinition>;
