import { fieldBytes } from './header-fields';

/** What a table may hold before anything else is agreed on (RFC 9113 §6.5.2). */
export const TABLE_DEFAULT_BYTES = 4_096;

const CAPACITY_AT_FIRST = 8;

/**
 * The fields that both sides remember (RFC 7541 §2.3.2): a ring, the oldest of which go when the limit is reached.
 *
 * A field has an id, which counts up with each one added from 1 on and stays its own; its index on the wire is
 * reckoned from the newest. The ring grows with what is in it: most connections are idle.
 */
export class DynamicTable {
  private names: string[] = [];
  private values: string[] = [];
  private capacity = 0;
  private count = 0;
  private added = 0;
  private used = 0;

  constructor(private limit: number = TABLE_DEFAULT_BYTES) {}

  get limitBytes(): number {
    return this.limit;
  }

  /** By RFC 7541 §4.1; never above the limit. */
  get bytes(): number {
    return this.used;
  }

  /** How many fields are in it. */
  get length(): number {
    return this.count;
  }

  get newestId(): number {
    return this.added;
  }

  /** @param age 0 is the newest, `length` - 1 the oldest */
  name(age: number): string {
    return this.names[this.slot(this.added - age)] as string;
  }

  /** @param age 0 is the newest, `length` - 1 the oldest */
  value(age: number): string {
    return this.values[this.slot(this.added - age)] as string;
  }

  /** What does not fit goes, the oldest first. */
  setLimit(bytes: number): void {
    this.limit = bytes;
    this.makeRoom(0);
  }

  /** A field larger than the whole table leaves it empty (RFC 7541 §4.4). */
  add(name: string, value: string): void {
    const bytes = fieldBytes(name, value);
    this.makeRoom(bytes);
    if (bytes > this.limit) return;
    if (this.count === this.capacity) this.grow();
    this.added++;
    this.count++;
    this.used += bytes;
    const slot = this.slot(this.added);
    this.names[slot] = name;
    this.values[slot] = value;
  }

  /** Called before a field goes. */
  protected forget(_name: string, _value: string, _id: number): void {}

  private makeRoom(bytes: number): void {
    while (this.count > 0 && this.used + bytes > this.limit) this.dropOldest();
  }

  private dropOldest(): void {
    const id = this.added - this.count + 1;
    const slot = this.slot(id);
    const name = this.names[slot] as string;
    const value = this.values[slot] as string;
    this.forget(name, value, id);
    this.count--;
    this.used -= fieldBytes(name, value);
    // An empty slot must not keep a string alive: 128 of them could hold a hundred times the limit.
    this.names[slot] = '';
    this.values[slot] = '';
  }

  private slot(id: number): number {
    return id & (this.capacity - 1);
  }

  private grow(): void {
    const names: string[] = [];
    const values: string[] = [];
    const capacity = this.capacity === 0 ? CAPACITY_AT_FIRST : 2 * this.capacity;
    for (let slot = 0; slot < capacity; slot++) {
      names.push('');
      values.push('');
    }
    for (let age = 0; age < this.count; age++) {
      const slot = (this.added - age) & (capacity - 1);
      names[slot] = this.name(age);
      values[slot] = this.value(age);
    }
    this.names = names;
    this.values = values;
    this.capacity = capacity;
  }
}
