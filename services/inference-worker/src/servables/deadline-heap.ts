/** A place in a {@link DeadlineHeap}. */
export interface Deadlined {
  /** What comes first: milliseconds since 1970. */
  readonly dueMs: number;
  /** Order of arrival, for those that are due at the same time. */
  readonly arrival: number;
}

export function comesFirst(one: Deadlined, other: Deadlined): boolean {
  return one.dueMs === other.dueMs ? one.arrival < other.arrival : one.dueMs < other.dueMs;
}

/** A binary heap: the earliest deadline first, then the earliest arrival. */
export class DeadlineHeap<T extends Deadlined> {
  private readonly items: T[] = [];

  get size(): number {
    return this.items.length;
  }

  peek(): T | undefined {
    return this.items[0];
  }

  push(item: T): void {
    this.items.push(item);
    this.rise(this.items.length - 1);
  }

  pop(): T | undefined {
    const first = this.items[0];
    const last = this.items.pop();
    if (first === undefined || last === undefined || first === last) return first;
    this.items[0] = last;
    this.sink(0);
    return first;
  }

  /** Takes `item` out; false when it is not here. Costs one pass. */
  remove(item: T): boolean {
    const at = this.items.indexOf(item);
    if (at < 0) return false;
    const last = this.items.pop() as T;
    if (last === item) return true;
    this.items[at] = last;
    this.rise(at);
    this.sink(at);
    return true;
  }

  private rise(from: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.before(at, parent)) return;
      this.swap(at, parent);
      at = parent;
    }
  }

  private sink(from: number): void {
    let at = from;
    for (;;) {
      let first = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < this.items.length && this.before(child, first)) first = child;
      }
      if (first === at) return;
      this.swap(at, first);
      at = first;
    }
  }

  private before(one: number, other: number): boolean {
    return comesFirst(this.items[one] as T, this.items[other] as T);
  }

  private swap(one: number, other: number): void {
    const kept = this.items[one] as T;
    this.items[one] = this.items[other] as T;
    this.items[other] = kept;
  }
}
