import type { Message } from './message';
import { MessageBacklog } from './message-backlog';
import { seededRandom } from './seeded-random.fixture';

function isSame(one: Message | undefined, other: Message | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return one.compressed === other.compressed && one.bytes.equals(other.bytes);
}

it('a backlog gives its messages in order, small and large, however many are taken between', () => {
  const random = seededRandom(31);
  const backlog = new MessageBacklog();
  const expected: Message[] = [];
  const wrong: (Message | undefined)[] = [];
  const takeOne = (): void => {
    const message = backlog.take();
    if (!isSame(message, expected.shift())) wrong.push(message);
  };
  for (let i = 0; i < 20_000; i++) {
    const bytes = Buffer.alloc(Math.floor(random() ** 3 * 3_000), `${i};`);
    const compressed = random() < 0.5;
    backlog.add(compressed, bytes, 0, bytes.length);
    expected.push({ compressed, bytes });
    // It grows and shrinks by turns, and now and then it is emptied.
    const takes = random() < 0.001 ? Infinity : Math.floor(random() * (i % 2_000 < 1_000 ? 2 : 4));
    for (let n = Math.min(takes, expected.length); n > 0; n--) takeOne();
  }
  while (expected.length > 0) takeOne();
  expect(wrong).toEqual([]);
  expect(backlog.take()).toBeUndefined();
});
