import { H2Channel } from '@bms/h2';
import { FrameType, RawListener, settingsFrame, within, type Random } from '@bms/h2/testkit';
import { bend } from './bend';
import { serverSession } from './sessions';
import { bytesOf, type WireFrame } from './wire-frame';

const HANG_MS = 20_000;
const CALLS = 3;

export function bentServerSession(random: Random): WireFrame[] {
  return bend(random, serverSession(random, CALLS));
}

/** Answers the calls of a channel by the frames, ends the connection, and waits for all calls to be over, well or not. */
export async function attackClient(random: Random, frames: readonly WireFrame[]): Promise<void> {
  const listener = await RawListener.start();
  const channel = new H2Channel(listener.address);
  const calls = Array.from({ length: CALLS }, (_, i) => (i === 1 ? streamingCall(channel) : unaryCall(channel)));
  const peer = await listener.accept();
  peer.send(settingsFrame([0x4, random.pick([0, 100, 65_535])], [0x3, CALLS]));
  for (let i = 0; i < CALLS; i += 1) await peer.next('a call', ({ type }) => type === FrameType.HEADERS);
  peer.send(Buffer.concat(frames.map(bytesOf)));
  if (random.chance(0.3)) await new Promise((resolve) => setTimeout(resolve, 5));
  peer.socket.end();
  await within(Promise.all(calls), () => 'the calls on a connection that has ended', HANG_MS);
  channel.close();
  await listener.close();
}

async function unaryCall(channel: H2Channel): Promise<void> {
  await channel.unary('/target.T/Echo', Buffer.from('x')).catch(() => {});
}

async function streamingCall(channel: H2Channel): Promise<void> {
  const requests = (async function* () {
    for (let i = 0; i < 3; i += 1) yield Buffer.from(`request ${i}`);
  })();
  try {
    for await (const answer of channel.stream('/target.T/EchoStream', requests)) if (answer.byteLength > 1e9) return;
  } catch {
    // any failure is an end
  }
}
