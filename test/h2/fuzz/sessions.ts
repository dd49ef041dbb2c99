import {
  callFields,
  continuationFrame,
  dataFrame,
  goawayFrame,
  grpcMessage,
  headersFrame,
  indexedField,
  literalBlock,
  literalField,
  pingFrame,
  priorityFrame,
  pushPromiseFrame,
  rawFrame,
  rememberedField,
  resetFrame,
  settingsFrame,
  TargetPath,
  windowUpdateFrame,
  type Random,
} from '@bms/h2/testkit';
import { framesIn, type WireFrame } from './wire-frame';

/** How many streams a session uses. */
const STREAMS_MOST = 4;
const PATHS = Object.values(TargetPath);

/** What a client sends after its preface and SETTINGS: calls of all kinds, in part interleaved, and what goes with them. Right, so far. */
export function clientSession(random: Random): WireFrame[] {
  const parts = Array.from({ length: 1 + random.below(STREAMS_MOST) }, (_, i) => clientStream(random, 2 * i + 1));
  return interleave(random, parts, () => connectionFrame(random));
}

/** What a server sends after its SETTINGS to a client that has calls on the streams 1, 3, 5 … */
export function serverSession(random: Random, streams: number): WireFrame[] {
  const parts = Array.from({ length: streams }, (_, i) => serverStream(random, 2 * i + 1));
  return interleave(random, parts, () => connectionFrame(random));
}

function clientStream(random: Random, id: number): WireFrame[] {
  const path = random.pick(PATHS);
  const more = random.chance(0.3) ? ['grpc-timeout', '1S'] : random.chance(0.3) ? ['x-bin', 'AAEC'] : [];
  const block = headerBlock(random, callFields(path, more));
  const message = grpcMessage(
    path === TargetPath.LARGE ? '70000' : path === TargetPath.PULL ? '20 5000' : random.bytes(random.below(200)),
  );
  return [...headersIn(random, id, block, false), ...body(random, id, message), ...ending(random, id)];
}

function serverStream(random: Random, id: number): WireFrame[] {
  const head = [':status', '200', 'content-type', 'application/grpc'];
  const status = ['grpc-status', random.chance(0.7) ? '0' : String(random.below(20)), 'grpc-message', 'm%20n'];
  if (random.chance(0.2)) return headersIn(random, id, headerBlock(random, [...head, ...status]), true);
  return [
    ...headersIn(random, id, headerBlock(random, head), false),
    ...body(random, id, grpcMessage(random.bytes(random.below(300)))),
    ...(random.chance(0.1)
      ? framesIn(resetFrame(id, random.below(14)))
      : headersIn(random, id, headerBlock(random, status), true)),
  ];
}

/** Literals, and now and then something for the table or from it. */
function headerBlock(random: Random, fields: readonly string[]): Buffer {
  const parts = [literalBlock(fields)];
  if (random.chance(0.4)) parts.push(rememberedField('x-known', 'v'.repeat(random.below(60))), indexedField(62));
  if (random.chance(0.2)) parts.push(literalField('x-more', 'w'.repeat(random.below(2_000))));
  return Buffer.concat(parts);
}

function headersIn(random: Random, id: number, block: Buffer, end: boolean): WireFrame[] {
  if (random.chance(0.7)) {
    const shape = random.chance(0.2)
      ? { padding: random.below(256) }
      : random.chance(0.2)
        ? { priority: { dependsOn: 0 } }
        : {};
    return framesIn(headersFrame(id, block, { end, ...shape }));
  }
  const at = random.below(block.length);
  return framesIn(
    headersFrame(id, block.subarray(0, at), { end, endHeaders: false }),
    continuationFrame(id, block.subarray(at), true),
  );
}

function body(random: Random, id: number, bytes: Buffer): WireFrame[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const next = Math.min(bytes.length, at + 1 + random.below(200));
    frames.push(dataFrame(id, bytes.subarray(at, next), random.chance(0.2) ? { padding: random.below(50) } : {}));
    at = next;
  }
  return framesIn(...frames);
}

function ending(random: Random, id: number): WireFrame[] {
  const end = random.next();
  if (end < 0.6) return framesIn(dataFrame(id, Buffer.alloc(0), { end: true }));
  if (end < 0.75) return framesIn(headersFrame(id, literalBlock(['x-trailer', '1']), { end: true }));
  if (end < 0.9) return framesIn(resetFrame(id, random.below(14)));
  return [];
}

function connectionFrame(random: Random): WireFrame {
  const id = 2 * random.below(STREAMS_MOST) + 1;
  return framesIn(
    random.pick([
      () => pingFrame(random.bytes(8), random.chance(0.3)),
      () => settingsFrame([1 + random.below(7), random.below(100_000)]),
      () => windowUpdateFrame(random.chance(0.5) ? 0 : id, 1 + random.below(100_000)),
      () => priorityFrame(id, { dependsOn: 0, weight: 1 + random.below(255) }),
      () => goawayFrame(random.below(10), random.below(14), 'bye'),
      () => rawFrame(10 + random.below(246), random.below(256), id, random.bytes(random.below(30))),
      () => pushPromiseFrame(id, 2, literalBlock(callFields('/x'))),
    ])(),
  )[0] as WireFrame;
}

/** The parts' frames in order, in turns; header blocks stay whole. */
function interleave(random: Random, parts: WireFrame[][], between: () => WireFrame): WireFrame[] {
  const frames: WireFrame[] = [];
  for (
    let left = parts.filter((part) => part.length > 0);
    left.length > 0;
    left = left.filter((part) => part.length > 0)
  ) {
    const part = random.pick(left);
    do frames.push(part.shift() as WireFrame);
    while (part[0]?.type === 9);
    if (random.chance(0.1)) frames.push(between());
  }
  return frames;
}
