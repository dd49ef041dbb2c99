import { TABLE_DEFAULT_BYTES } from './dynamic-table';
import { EncoderTable } from './encoder-table';
import { fieldBytes, type HeaderFields } from './header-fields';
import { findStaticName, STATIC_FIELDS } from './static-table';
import { writeInteger, writeString } from './block-writer';

/** A peer may offer more. We keep to this: a router holds one such table for each worker and each caller. */
const TABLE_BYTES_MAX = TABLE_DEFAULT_BYTES;
/** The first octet, and the lengths of name and value. */
const FIELD_BOUND_BYTES = 13;
/** Two table size updates of at most {@link TABLE_BYTES_MAX}. */
const SIZE_UPDATES_BOUND_BYTES = 6;

/** Encodes the header blocks of one connection, in the order in which they are sent (RFC 7541). */
export class HpackEncoder {
  private readonly table = new EncoderTable(TABLE_BYTES_MAX);
  /** The size that the peer's decoder has, and the lowest one since it was told. */
  private toldLimit = TABLE_BYTES_MAX;
  private lowestLimit = TABLE_BYTES_MAX;

  /**
   * @param indexed names whose values come again, so that their fields go into the dynamic table. A name whose values
   * differ from call to call only pushes the others out.
   * @param neverIndexed names whose values are secrets: neither we nor anyone who passes them on may keep them in a
   * table, where their length tells whether a guess was right (RFC 7541 §7.1)
   */
  constructor(
    private readonly indexed: ReadonlySet<string>,
    private readonly neverIndexed: ReadonlySet<string> = new Set(),
  ) {}

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. It holds from the next block on, which tells so (RFC 7541 §4.2). */
  setTableLimit(bytes: number): void {
    const limit = Math.min(bytes, TABLE_BYTES_MAX);
    this.table.setLimit(limit);
    this.lowestLimit = Math.min(this.lowestLimit, limit);
  }

  /** As many bytes as {@link encode} can need for `fields`. */
  sizeBound(fields: HeaderFields): number {
    let bytes = SIZE_UPDATES_BOUND_BYTES + (fields.length / 2) * FIELD_BOUND_BYTES;
    for (let index = 0; index < fields.length; index++) bytes += (fields[index] as string).length;
    return bytes;
  }

  /**
   * Writes a header block. It must be sent, or the connection ends: the peer's table would be out of step.
   *
   * @returns the position behind it
   * @throws RangeError when `into` has not {@link sizeBound} bytes from `at` on; then nothing has changed
   */
  encode(fields: HeaderFields, into: Buffer, at: number): number {
    const bound = this.sizeBound(fields);
    if (at + bound > into.length)
      throw new RangeError(`a header block may need ${bound} bytes, and there are only ${into.length - at}`);
    at = this.writeSizeUpdates(into, at);
    for (let index = 0; index < fields.length; index += 2)
      at = this.writeField(fields[index] as string, fields[index + 1] as string, into, at);
    return at;
  }

  private writeSizeUpdates(into: Buffer, at: number): number {
    const limit = this.table.limitBytes;
    if (this.lowestLimit < Math.min(this.toldLimit, limit)) at = writeInteger(into, at, 0x20, 0x1f, this.lowestLimit);
    if (limit !== this.toldLimit || this.lowestLimit < limit) at = writeInteger(into, at, 0x20, 0x1f, limit);
    this.toldLimit = limit;
    this.lowestLimit = limit;
    return at;
  }

  private writeField(name: string, value: string, into: Buffer, at: number): number {
    const known = this.table.find(name);
    const id = known?.idByValue.get(value);
    if (id !== undefined) return writeInteger(into, at, 0x80, 0x7f, this.indexOf(id));

    const never = this.neverIndexed.has(name);
    const fixed = findStaticName(name);
    const index = never ? undefined : fixed?.byValue.get(value);
    if (index !== undefined) return writeInteger(into, at, 0x80, 0x7f, index);

    const nameIndex = fixed?.index ?? (known === undefined ? 0 : this.indexOf(known.newestId));
    if (never) {
      at = writeInteger(into, at, 0x10, 0x0f, nameIndex);
    } else if (this.isWorthKeeping(name, value)) {
      at = writeInteger(into, at, 0x40, 0x3f, nameIndex);
      this.table.add(name, value);
    } else {
      at = writeInteger(into, at, 0x00, 0x0f, nameIndex);
    }
    if (nameIndex === 0) at = writeString(into, at, name);
    return writeString(into, at, value);
  }

  private indexOf(id: number): number {
    return STATIC_FIELDS + 1 + this.table.newestId - id;
  }

  /** A field of more than half the table would push out too much of what comes again. */
  private isWorthKeeping(name: string, value: string): boolean {
    return this.indexed.has(name) && 2 * fieldBytes(name, value) <= this.table.limitBytes;
  }
}
