import type { ConnectionError } from '../frames/h2-error';
import type { ConnectionLimits } from '../limits';
import { BlockReader } from './block-reader';
import { compressionError } from './compression-error';
import { DynamicTable } from './dynamic-table';
import { fieldBytes } from './header-fields';
import { STATIC_FIELDS, staticName, staticValue } from './static-table';

export interface DecodedHeaders {
  /** Name, value, name, value, …; where the list is too large, those of its first fields that are within the limits. */
  readonly fields: string[];
  /** Names, values and 32 a field, of all fields, also of those that were thrown away. */
  readonly listBytes: number;
  /** The list is over `headerListBytes` or `headerFields`. */
  readonly tooLarge: boolean;
}

/** RFC 7541 §4.2: the lowest size since the last block, and the present one. */
const SIZE_UPDATES_MAX = 2;

/**
 * Decodes the header blocks of one connection, in the order in which they came (RFC 7541).
 *
 * Every block must go through it, and to its end, whatever becomes of its stream: a field that was left out would shift
 * all that follow, and one caller would be read as another (CVE-2023-32731).
 *
 * Its table starts with the 4,096 bytes that the peer may reckon with before it has our SETTINGS, even where
 * `headerTableBytes` is less.
 */
export class HpackDecoder {
  private readonly table = new DynamicTable();
  private readonly reader = new BlockReader();
  private fields: string[] = [];
  private fieldCount = 0;
  private listBytes = 0;
  private sizeUpdates = 0;

  constructor(
    private readonly limits: Pick<ConnectionLimits, 'headerListBytes' | 'headerFields' | 'headerTableBytes'>,
  ) {}

  /**
   * @param block a whole header block; nothing of it is kept
   * @throws ConnectionError (COMPRESSION_ERROR) for all that is a decoding error there; the decoder is of no use then
   */
  decode(block: Buffer): DecodedHeaders {
    const { reader } = this;
    this.fields = [];
    this.fieldCount = 0;
    this.listBytes = 0;
    this.sizeUpdates = 0;
    reader.open(block);
    try {
      while (!reader.ended) this.read(reader.octet());
      return { fields: this.fields, listBytes: this.listBytes, tooLarge: this.isTooLarge() };
    } finally {
      reader.close();
      this.fields = [];
    }
  }

  /** RFC 7541 §6: the highest bits of the first octet say what comes. */
  private read(first: number): void {
    if (first >= 0x80) this.readIndexed(this.reader.integer(first, 0x7f));
    else if (first >= 0x40) this.readLiteral(first, 0x3f, true);
    else if (first >= 0x20) this.resize(this.reader.integer(first, 0x1f));
    else this.readLiteral(first, 0x0f, false);
  }

  private readIndexed(index: number): void {
    if (index === 0) throw compressionError('index 0 is no field');
    const age = index - STATIC_FIELDS - 1;
    if (age < 0) this.take(staticName(index), staticValue(index));
    else if (age < this.table.length) this.take(this.table.name(age), this.table.value(age));
    else throw this.beyondTheTables(index);
  }

  private readLiteral(first: number, mask: number, remember: boolean): void {
    const index = this.reader.integer(first, mask);
    const name = index === 0 ? this.reader.name() : this.nameAt(index);
    const value = this.reader.value();
    if (remember) this.table.add(name, value);
    this.take(name, value);
  }

  private nameAt(index: number): string {
    const age = index - STATIC_FIELDS - 1;
    if (age < 0) return staticName(index);
    if (age < this.table.length) return this.table.name(age);
    throw this.beyondTheTables(index);
  }

  private beyondTheTables(index: number): ConnectionError {
    return compressionError(`index ${index} is beyond the tables, which end at ${STATIC_FIELDS + this.table.length}`);
  }

  private resize(bytes: number): void {
    const { headerTableBytes } = this.limits;
    if (this.fieldCount > 0) throw compressionError('a table size update stands behind a field');
    if (++this.sizeUpdates > SIZE_UPDATES_MAX)
      throw compressionError('a header block has more than 2 table size updates');
    if (bytes > headerTableBytes)
      throw compressionError(`a table size update to ${bytes} is over the ${headerTableBytes} of our SETTINGS`);
    this.table.setLimit(bytes);
  }

  private take(name: string, value: string): void {
    this.fieldCount++;
    this.listBytes += fieldBytes(name, value);
    if (!this.isTooLarge()) this.fields.push(name, value);
  }

  private isTooLarge(): boolean {
    return this.listBytes > this.limits.headerListBytes || this.fieldCount > this.limits.headerFields;
  }
}
