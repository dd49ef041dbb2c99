/** One value of a piece of metadata: bytes where the name ends in `-bin`, else printable ASCII. */
export type MetadataValue = string | Uint8Array;

/**
 * The metadata of a call: names in lower case, each with one or more values, in the order they were added.
 */
export class Metadata {
  /** Name, value, name, value, …: there are few, and most are only passed on. */
  private readonly fields: MetadataValue[] = [];

  static from(entries: Readonly<Record<string, MetadataValue | undefined>>): Metadata {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(entries)) {
      if (value !== undefined) metadata.set(name, value);
    }
    return metadata;
  }

  /** How many values there are, of all names. */
  get size(): number {
    return this.fields.length / 2;
  }

  /** The name of the value at `index`, 0 to size − 1. */
  nameAt(index: number): string {
    return this.fields[2 * index] as string;
  }

  valueAt(index: number): MetadataValue {
    return this.fields[2 * index + 1] as MetadataValue;
  }

  /** The first text value, or undefined. */
  get(name: string): string | undefined {
    const value = this.first(name);
    return typeof value === 'string' ? value : undefined;
  }

  /** The first value of a `-bin` name, or undefined. */
  getBytes(name: string): Uint8Array | undefined {
    const value = this.first(name);
    return typeof value === 'string' ? undefined : value;
  }

  /** Replaces all values of `name`. */
  set(name: string, value: MetadataValue): this {
    const key = name.toLowerCase();
    const at = this.indexOf(key);
    if (at < 0) {
      this.fields.push(key, value);
      return this;
    }
    this.fields[at + 1] = value;
    this.remove(key, at + 2);
    return this;
  }

  /** Adds a value to those that `name` has. */
  append(name: string, value: MetadataValue): this {
    this.fields.push(name.toLowerCase(), value);
    return this;
  }

  delete(name: string): void {
    this.remove(name, 0);
  }

  *entries(): IterableIterator<readonly [string, MetadataValue]> {
    for (let i = 0; i < this.size; i++) yield [this.nameAt(i), this.valueAt(i)];
  }

  private first(name: string): MetadataValue | undefined {
    const at = this.indexOf(name);
    return at < 0 ? undefined : this.fields[at + 1];
  }

  private indexOf(name: string): number {
    const { fields } = this;
    for (let at = 0; at < fields.length; at += 2) if (fields[at] === name) return at;
    return -1;
  }

  private remove(name: string, from: number): void {
    const { fields } = this;
    for (let at = fields.length - 2; at >= from; at -= 2) if (fields[at] === name) fields.splice(at, 2);
  }
}
