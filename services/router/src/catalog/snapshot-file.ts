import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { routeService } from '@bms/contracts';
import { RouteTable } from './route-table';

const FILE = 'routes.binpb';
const DIGEST_BYTES = 32;

export interface SnapshotFileEvents {
  /** The file is there and cannot be used; the router goes on without it. */
  readonly onUnreadable: (file: string, error: Error) => void;
  /** The routes are in use, but could not be written. */
  readonly onWriteFailed: (error: Error) => void;
}

/**
 * The last routes on disk, for a start while no registry answers: the sha256 of a RouteSnapshot (which names its mesh), then
 * the snapshot. Replaced as a whole, so that a reader finds the old one or the new one, whenever the process dies.
 */
export class SnapshotFile {
  private readonly file: string;
  private next: RouteTable | undefined;
  private writing: Promise<void> | undefined;

  /** @param folder the router's own; made when missing */
  constructor(
    private readonly folder: string,
    private readonly events: SnapshotFileEvents,
  ) {
    mkdirSync(folder, { recursive: true });
    this.file = join(folder, FILE);
  }

  /** The routes that were saved last; undefined when there are none that can be used. */
  load(): RouteTable | undefined {
    try {
      const bytes = readFileSync(this.file);
      const snapshot = bytes.subarray(DIGEST_BYTES);
      if (!digestOf(snapshot).equals(bytes.subarray(0, DIGEST_BYTES))) throw new Error('its checksum does not match');
      return RouteTable.of(routeService.RouteSnapshot.decode(snapshot));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.events.onUnreadable(this.file, error as Error);
      return undefined;
    }
  }

  /** Writes the table soon; of several that come while one is being written, the last. */
  save(table: RouteTable): void {
    this.next = table;
    this.writing ??= this.writeAll();
  }

  /** Resolves when what was to be saved is on disk. */
  async flushed(): Promise<void> {
    await this.writing;
  }

  private async writeAll(): Promise<void> {
    // Not in the turn that took the routes into use: requests come first.
    await new Promise<void>((resolve) => setImmediate(resolve));
    for (let table = this.next; table !== undefined; table = this.next) {
      this.next = undefined;
      try {
        await this.write(table);
      } catch (error) {
        this.events.onWriteFailed(error as Error);
      }
    }
    this.writing = undefined; // in the turn that found nothing more to write, so that nothing is left lying
  }

  private async write(table: RouteTable): Promise<void> {
    const snapshot = routeService.RouteSnapshot.encode(table.toSnapshot()).finish();
    const draft = `${this.file}.tmp`; // one writer: the folder is locked
    const handle = await open(draft, 'w');
    try {
      await handle.writeFile(Buffer.concat([digestOf(snapshot), snapshot]));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, this.file);
  }
}

function digestOf(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
