import { DeadlineHeap } from './deadline-heap';

describe('DeadlineHeap', () => {
  it('gives the earliest deadline first, then the earliest arrival, whatever was taken out meanwhile', () => {
    let seed = 7;
    const random = (): number => (seed = (seed * 48271) % 2147483647) / 2147483647;
    for (let round = 0; round < 50; round++) {
      const heap = new DeadlineHeap<{ dueMs: number; arrival: number }>();
      const items = Array.from({ length: 40 }, (_, arrival) => ({ dueMs: Math.floor(random() * 10), arrival }));
      for (const item of items) heap.push(item);
      const removed = items.filter(() => random() < 0.3);
      for (const item of removed) expect(heap.remove(item)).toBe(true);
      const expected = items
        .filter((item) => !removed.includes(item))
        .sort((one, other) => one.dueMs - other.dueMs || one.arrival - other.arrival);
      const given = Array.from({ length: heap.size }, () => heap.pop());
      expect(given).toEqual(expected);
    }
  });

  it('does not take out what is not there', () => {
    const heap = new DeadlineHeap<{ dueMs: number; arrival: number }>();
    heap.push({ dueMs: 1, arrival: 1 });
    expect(heap.remove({ dueMs: 1, arrival: 1 })).toBe(false);
    expect(heap.pop()).toEqual({ dueMs: 1, arrival: 1 });
    expect(heap.pop()).toBeUndefined();
  });
});
