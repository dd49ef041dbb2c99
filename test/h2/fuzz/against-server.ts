import { once } from 'node:events';
import { connect } from 'node:net';
import { PREFACE, settingsFrame, within, type Random, type Target } from '@bms/h2/testkit';
import { bend } from './bend';
import { clientSession } from './sessions';
import { bytesOf, type WireFrame } from './wire-frame';

/** Nothing that a peer sends may hold its connection's end up for longer. */
const HANG_MS = 20_000;

export function bentClientSession(random: Random): WireFrame[] {
  return bend(random, clientSession(random));
}

/** Sends the frames to the target as a client, ends its side and waits for the end of the connection. */
export async function attackServer(random: Random, frames: readonly WireFrame[], target: Target): Promise<void> {
  const socket = connect({ port: target.port, host: '127.0.0.1', allowHalfOpen: true });
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', () => {}); // resets are to be expected
  socket.resume();
  await Promise.race([once(socket, 'connect').catch(() => {}), closed]);
  socket.write(Buffer.concat([PREFACE, settingsFrame([0x4, random.pick([0, 100, 65_535, 2 ** 31 - 1])])]));
  const bytes = Buffer.concat(frames.map(bytesOf));
  // In one piece, or cut anywhere.
  const at = random.chance(0.5) ? bytes.length : random.below(bytes.length + 1);
  socket.write(bytes.subarray(0, at));
  if (at < bytes.length) {
    await new Promise((resolve) => setImmediate(resolve));
    socket.write(bytes.subarray(at));
  }
  if (random.chance(0.3)) await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 5))]);
  socket.end();
  await within(closed, () => 'the end of a connection whose client has ended its side', HANG_MS);
}
