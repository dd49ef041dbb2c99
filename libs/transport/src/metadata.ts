/** One value of a piece of metadata: bytes where the name ends in `-bin`, else printable ASCII. */
export type MetadataValue = string | Uint8Array;

/**
 * The metadata of a call: names in lower case, each with one or more values, in the order they were added.
 */
export class Metadata {
  private readonly values = new Map<string, MetadataValue[]>();

  static from(entries: Readonly<Record<string, MetadataValue | undefined>>): Metadata {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(entries)) {
      if (value !== undefined) metadata.set(name, value);
    }
    return metadata;
  }

  /** The first text value, or undefined. */
  get(name: string): string | undefined {
    const value = this.values.get(name)?.[0];
    return typeof value === 'string' ? value : undefined;
  }

  /** The first value of a `-bin` name, or undefined. */
  getBytes(name: string): Uint8Array | undefined {
    const value = this.values.get(name)?.[0];
    return typeof value === 'string' ? undefined : value;
  }

  /** Replaces all values of `name`. */
  set(name: string, value: MetadataValue): this {
    this.values.set(name.toLowerCase(), [value]);
    return this;
  }

  /** Adds a value to those that `name` has. */
  append(name: string, value: MetadataValue): this {
    const key = name.toLowerCase();
    const present = this.values.get(key);
    if (present === undefined) this.values.set(key, [value]);
    else present.push(value);
    return this;
  }

  delete(name: string): void {
    this.values.delete(name);
  }

  *entries(): IterableIterator<readonly [string, MetadataValue]> {
    for (const [name, values] of this.values) {
      for (const value of values) yield [name, value];
    }
  }
}
