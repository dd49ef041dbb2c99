import { createHash, type Hash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { BmsError, blobService, Reason, type adminService, type models } from '@bms/contracts';
import { createClient, type Channel } from '@bms/transport';
import { BlobAddresses } from './blob-addresses';
import type { Clock } from './clock';
import { pauseBeforeMs, type RetryPolicy } from './retry';
import { whileMoving } from './while-moving';

export interface DownloadServices {
  readonly dial: (address: string) => Channel;
  readonly clock: Clock;
  readonly random: () => number;
}

export interface DownloadOptions {
  /** Told how many bytes came with each piece. */
  readonly onBytes: (receivedBytes: number) => void;
  /** Told that a download broke off and goes on after a pause. */
  readonly onPause: (pauseMs: number, reason: string) => void;
  readonly signal: AbortSignal | undefined;
}

/** A download that brings nothing for this long is broken off and continued at the next registry. */
const STALL_MS = 30_000;
/** Attempts in a row that brought not one byte: some 10 s, the restart of a registry. */
const POLICY: RetryPolicy = { attempts: 8, firstPauseMs: 100, maxPauseMs: 2_000, idempotent: true };
/** Another registry, or the same one a moment later, may do better. A blob that is missing at one may be a folder that is not shared. */
const AGAIN = [
  Reason.CONNECTION_FAILED,
  Reason.WORKER_LOST,
  Reason.DRAINING,
  Reason.STORE_UNAVAILABLE,
  Reason.UPLOAD_INTERRUPTED,
  Reason.OVERLOADED,
  Reason.DEADLINE_EXCEEDED,
];

/** Fetches blobs with a ticket from whichever BlobService answers, each from where it broke off. */
export class BlobDownloader {
  private readonly addresses: BlobAddresses;

  constructor(
    private readonly ticket: adminService.CreateDownloadResponse,
    private readonly options: DownloadOptions,
    private readonly services: DownloadServices,
  ) {
    this.addresses = new BlobAddresses(ticket.blobAddresses, services.dial);
  }

  /**
   * Writes a blob to a new file at `path`. Throws DIGEST_MISMATCH where other bytes came, BLOB_NOT_FOUND, and what the last
   * attempt threw.
   */
  async download({ path: name, sha256, sizeBytes }: models.ArtifactFile, path: string): Promise<void> {
    const file = await open(path, 'wx');
    const progress: BlobProgress = { hash: createHash('sha256'), receivedBytes: 0 };
    try {
      await this.receiveAll(sha256, Number(sizeBytes), file, progress);
      await file.sync();
    } finally {
      await file.close();
    }
    if (progress.hash.digest('hex') === sha256) return;
    throw new BmsError(Reason.DIGEST_MISMATCH, `${name}: other bytes came than the version has`, { facts: { sha256 } });
  }

  close(): void {
    this.addresses.close();
  }

  private async receiveAll(sha256: string, sizeBytes: number, file: FileHandle, progress: BlobProgress): Promise<void> {
    const { clock, random } = this.services;
    const { signal, onPause } = this.options;
    for (let fruitless = 1; progress.receivedBytes < sizeBytes; fruitless++) {
      const before = progress.receivedBytes;
      try {
        await this.receive(sha256, sizeBytes, file, progress);
      } catch (error) {
        if (signal?.aborted === true) throw new BmsError(Reason.CANCELLED, 'the pull was given up', { cause: error });
        if (progress.receivedBytes > before) fruitless = 1;
        if (fruitless >= POLICY.attempts || !this.mayHelp(error, fruitless)) throw error;
        this.addresses.moveOn();
        const pauseMs = pauseBeforeMs(fruitless + 1, POLICY, error, random);
        onPause(pauseMs, error.message);
        await clock.sleep(pauseMs, signal);
      }
    }
  }

  /** A blob that is not at one address is asked for at each of the others once. */
  private mayHelp(error: unknown, fruitless: number): error is BmsError {
    if (BmsError.is(error, Reason.BLOB_NOT_FOUND)) return fruitless < this.addresses.count;
    return BmsError.is(error, ...AGAIN);
  }

  private async receive(sha256: string, sizeBytes: number, file: FileHandle, progress: BlobProgress): Promise<void> {
    const request = { sha256, offsetBytes: BigInt(progress.receivedBytes), ticket: this.ticket.ticket };
    const client = createClient(blobService.BlobServiceDefinition, this.addresses.channel);
    await whileMoving(STALL_MS, this.options.signal, async (signal, moved) => {
      for await (const { chunk } of client.downloadBlob(request, { signal })) {
        moved();
        await file.writeFile(chunk);
        progress.hash.update(chunk);
        progress.receivedBytes += chunk.byteLength;
        this.options.onBytes(chunk.byteLength);
        if (progress.receivedBytes > sizeBytes) return;
      }
    });
    if (progress.receivedBytes < sizeBytes) {
      throw new BmsError(Reason.UPLOAD_INTERRUPTED, `${progress.receivedBytes} of ${sizeBytes} bytes came`);
    }
  }
}

interface BlobProgress {
  readonly hash: Hash;
  receivedBytes: number;
}
