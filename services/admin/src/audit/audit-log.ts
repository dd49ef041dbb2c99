import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { readLinesBackwards } from './read-lines-backwards';

/** Who changed what, and how it went. */
export interface AuditRecord {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly principal: string;
  readonly tenant: string;
  readonly method: string;
  /** `default/digits@2`, with what was asked of it. */
  readonly subject: string;
  /** `OK`, or the reason of the refusal. */
  readonly outcome: string;
  readonly requestId: string;
}

export const AUDIT_FILE = 'audit.jsonl';
const NEWLINE = '\n'.charCodeAt(0);

/**
 * An append-only file with a JSON object a line. An entry is on disk before `append` resolves. A line that a crash tore is kept
 * as it is and passed over when reading.
 */
export class AuditLog {
  /** Appends go one after the other. */
  private last: Promise<void> = Promise.resolve();

  private constructor(
    private readonly file: string,
    private readonly handle: FileHandle,
  ) {}

  /** Makes folder and file (mode 0600) where they are missing. */
  static async open(folder: string): Promise<AuditLog> {
    await mkdir(folder, { recursive: true });
    const file = join(folder, AUDIT_FILE);
    const handle = await open(file, 'a+', 0o600);
    try {
      await closeTornLine(handle);
      return new AuditLog(file, handle);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  append(record: AuditRecord): Promise<void> {
    const write = this.last.then(async () => {
      await this.handle.appendFile(`${JSON.stringify(record)}\n`);
      await this.handle.datasync();
    });
    this.last = write.catch(() => undefined); // the one who appended is told; the next one may fare better
    return write;
  }

  /** A tenant's newest entries, newest first. Reads from the file's end, so that its length does not matter. */
  async newest(tenant: string, limit: number, signal: AbortSignal): Promise<readonly AuditRecord[]> {
    const found: AuditRecord[] = [];
    for await (const line of readLinesBackwards(this.file, signal)) {
      const record = parseRecord(line);
      if (record?.tenant === tenant) found.push(record);
      if (found.length === limit) break;
    }
    return found;
  }

  /** Resolves once what was appended is written. */
  async close(): Promise<void> {
    await this.last;
    await this.handle.close();
  }
}

/** A crash may have left a line without its end: the next entry must not be glued to it. */
async function closeTornLine(handle: FileHandle): Promise<void> {
  const { size } = await handle.stat();
  if (size === 0) return;
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
  if (buffer[0] !== NEWLINE) await handle.appendFile('\n');
}

function parseRecord(line: string): AuditRecord | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is AuditRecord {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  const texts = ['principal', 'tenant', 'method', 'subject', 'outcome', 'requestId'];
  return Number.isSafeInteger(fields['atMs']) && texts.every((name) => typeof fields[name] === 'string');
}
