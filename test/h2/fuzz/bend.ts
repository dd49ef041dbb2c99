import type { Random } from '@bms/h2/testkit';
import type { WireFrame } from './wire-frame';

const TYPES = 11;

/** One thing done wrong; changes the list in place. */
type Bend = (random: Random, frames: WireFrame[]) => void;

const change =
  (bent: (random: Random, frame: WireFrame) => WireFrame): Bend =>
  (random, frames) => {
    const at = random.below(frames.length);
    frames[at] = bent(random, frames[at] as WireFrame);
  };

const BENDS: readonly Bend[] = [
  change((random, frame) => ({ ...frame, type: random.below(TYPES) })),
  change((random, frame) => ({ ...frame, flags: frame.flags ^ (1 << random.below(8)) })),
  change((random, frame) => ({ ...frame, flags: random.below(256) })),
  change((random, frame) => ({
    ...frame,
    streamId: random.pick([0, 1, 2, 3, 5, 7, 99, 2 ** 31 - 1, frame.streamId + 2, frame.streamId + 2 ** 31]),
  })),
  change((random, frame) => ({ ...frame, payload: flip(random, frame.payload) })),
  change((random, frame) => ({ ...frame, payload: flip(random, flip(random, frame.payload)) })),
  change((random, frame) => ({ ...frame, payload: frame.payload.subarray(0, random.below(frame.payload.length + 1)) })),
  change((random, frame) => ({
    ...frame,
    payload: Buffer.concat([frame.payload, random.bytes(1 + random.below(20))]),
  })),
  change((random, frame) => ({
    ...frame,
    payload: Buffer.alloc(random.pick([0, 1, 4, 5, 6, 8, 9, 300, 16_384, 16_385]), random.below(256)),
  })),
  change((random, frame) => ({
    ...frame,
    saysBytes: random.pick([0, 1, 8, frame.payload.length + 1, 16_385, 2 ** 24 - 1]),
  })),
  change((random, frame) => ({ ...frame, payload: extreme(random, frame.payload) })),
  (random, frames) => void frames.splice(random.below(frames.length), 1),
  (random, frames) => {
    const at = random.below(frames.length);
    frames.splice(at, 0, ...Array.from({ length: 1 + random.below(40) }, () => frames[at] as WireFrame));
  },
  (random, frames) => {
    const [one, other] = [random.below(frames.length), random.below(frames.length)];
    [frames[one], frames[other]] = [frames[other] as WireFrame, frames[one] as WireFrame];
  },
  (random, frames) => {
    const streamId = 2 * random.below(4) + 1;
    const payload = random.bytes(random.below(60));
    frames.splice(random.below(frames.length + 1), 0, {
      type: random.below(TYPES),
      flags: random.below(256),
      streamId,
      payload,
    });
  },
];

/** Does one to four things wrong. */
export function bend(random: Random, frames: readonly WireFrame[]): WireFrame[] {
  const bent = [...frames];
  for (let times = 1 + random.below(4); times > 0 && bent.length > 0; times -= 1) random.pick(BENDS)(random, bent);
  return bent;
}

function flip(random: Random, payload: Buffer): Buffer {
  if (payload.length === 0) return payload;
  const flipped = Buffer.from(payload);
  const at = random.below(payload.length);
  flipped[at] = (flipped[at] ?? 0) ^ (1 << random.below(8));
  return flipped;
}

/** Four bytes become a number at the edge of something. */
function extreme(random: Random, payload: Buffer): Buffer {
  if (payload.length < 4) return payload;
  const changed = Buffer.from(payload);
  changed.writeUInt32BE(random.pick([0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]), random.below(payload.length - 3));
  return changed;
}
