import { DynamicTable } from './dynamic-table';

/** The fields of one name that are in the table. */
export interface KnownName {
  newestId: number;
  readonly idByValue: Map<string, number>;
}

/** A dynamic table that finds a field by its name and its value. */
export class EncoderTable extends DynamicTable {
  private readonly known = new Map<string, KnownName>();

  find(name: string): KnownName | undefined {
    return this.known.get(name);
  }

  /** The field must not be in the table yet, and it must fit. */
  override add(name: string, value: string): void {
    super.add(name, value);
    const id = this.newestId;
    const known = this.known.get(name);
    if (known === undefined) {
      this.known.set(name, { newestId: id, idByValue: new Map([[value, id]]) });
    } else {
      known.newestId = id;
      known.idByValue.set(value, id);
    }
  }

  protected override forget(name: string, value: string): void {
    const known = this.known.get(name);
    known?.idByValue.delete(value);
    if (known?.idByValue.size === 0) this.known.delete(name);
  }
}
