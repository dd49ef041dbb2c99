import { ErrorCode } from '../frames/error-code';
import { FrameType } from '../frames/frame';
import { clientStreamId, endsWith, opening } from '../testkit/attack';
import { FLOODS } from '../testkit/floods';
import { grpcMessage } from '../testkit/grpc-request';
import { Neighbour } from '../testkit/neighbour';
import { answerOn, rawCall } from '../testkit/raw-call';
import { dataFrame, pingFrame, settingsFrame, windowUpdateFrame } from '../testkit/raw-frame';
import { RawPeer } from '../testkit/raw-peer';
import { PINGS_AT_WILL, Target, TargetPath } from '../testkit/target';
import { VictimProcess } from '../testkit/victim-process';
import { within } from '../testkit/within';

// Frames that are legal one by one, in numbers: CVE-2019-9512, -9515, -9518 and their like.

const MIB = 2 ** 20;
const FLOOD = 100_000;

const NOTHING = Buffer.alloc(0);
const CALM = ErrorCode.ENHANCE_YOUR_CALM;

describe('a flood', () => {
  let victim: VictimProcess;

  beforeAll(async () => {
    victim = await VictimProcess.start();
  });

  afterAll(() => victim.close());

  test.each(FLOODS)('of $name ends the connection, costs little memory and harms no neighbour', async ({ frame }) => {
    const neighbour = await Neighbour.start(victim.port);
    const growthBytes = await victim.growthDuring(async () => {
      const peer = await attackerOn(victim.port);
      await peer.flood(FLOOD, frame);
      await endsWith(peer, CALM);
    });
    await neighbour.stop();
    expect(growthBytes).toBeLessThanOrEqual(16 * MIB);
    expect((await victim.report()).internalErrors).toEqual([]);
  });
});

describe('a peer that does not read', () => {
  let victim: VictimProcess;

  beforeAll(async () => {
    victim = await VictimProcess.start({ limits: { ...PINGS_AT_WILL, glitches: { capacity: 1e9, perSecond: 1e9 } } });
  });

  afterAll(() => victim.close());

  test.each([
    ['PING', () => pingFrame()],
    ['SETTINGS', () => settingsFrame([0x3, 100])],
  ])('and floods with %s is not read from any more', async (_name, frame) => {
    const neighbour = await Neighbour.start(victim.port);
    const peer = await attackerOn(victim.port);
    peer.pause();
    let heldUp = false;
    const growthBytes = await victim.growthDuring(async () => {
      const many = Buffer.concat(Array.from({ length: 10_000 }, frame));
      // 20 MB and more: the kernel's buffers take a part of it, the server must not take the rest.
      for (let i = 0; i < 120 && !heldUp; i += 1) {
        peer.send(many);
        heldUp = await isHeldUp(peer);
      }
    });
    expect(heldUp).toBe(true);
    await neighbour.stop();
    expect(growthBytes).toBeLessThanOrEqual(16 * MIB);
    await peer.close();
  });
});

test('SETTINGS with 33 entries end the connection', async () => {
  const target = await Target.start();
  const peer = await target.open();
  peer.send(settingsFrame(...Array.from({ length: 33 }, () => [0x99, 0] as const)));
  await endsWith(peer, CALM);
  const other = await target.open();
  other.send(settingsFrame(...Array.from({ length: 32 }, () => [0x99, 0] as const)));
  expect((await rawCall(other, 1, TargetPath.ECHO, 'fine')).status).toBe('0');
  await other.close();
  await target.close();
});

describe('keep-alive', () => {
  test('of 4 fast pings ends the connection', async () => {
    const target = await Target.start();
    const peer = await target.open();
    await peer.flood(4, () => pingFrame(), 1);
    await endsWith(peer, CALM);
    await target.close();
  });

  test('is fine for a peer that waits for answers', async () => {
    const target = await Target.start();
    const peer = await target.open();
    for (let i = 0; i < 20; i += 1) {
      await rawCall(peer, clientStreamId(i), TargetPath.ECHO, 'x');
      await peer.settled();
    }
    await peer.close();
    await target.close();
  });
});

test('a peer that measures the link by a PING for each DATA frame, as grpc-go and C-core do, is no attacker', async () => {
  const target = await Target.start();
  const peer = await target.open([], { credits: 'lots', measures: true });
  peer.send(opening(1, TargetPath.LARGE), dataFrame(1, grpcMessage('5000000'), { end: true }));
  expect((await answerOn(peer, 1)).messages[0]?.length).toBe(5_000_000);
  await peer.close();
  await target.close();
});

test('honest numbers of small updates, empty last frames and padding are no offence', async () => {
  const target = await Target.start();
  const peer = await target.open();
  for (let i = 0; i < 2_000; i += 1) {
    const id = clientStreamId(i);
    peer.send(
      opening(id, TargetPath.ECHO, [], { priority: { dependsOn: 0 } }),
      dataFrame(id, grpcMessage('padded'), { padding: 3 }),
      dataFrame(id, NOTHING, { end: true }),
      windowUpdateFrame(0, 1_000),
    );
    const { status, messages } = await answerOn(peer, id);
    if (status !== '0' || String(messages) !== 'padded') throw new Error(`call ${i}: ${status} ${String(messages)}`);
  }
  expect(target.internalErrors).toEqual([]);
  await peer.close();
  await target.close();
});

test('a client that gives back the window of each little answer at once, on stream and connection, is no attacker', async () => {
  const target = await Target.start();
  const peer = await target.open([], { credits: 'each' });
  for (let i = 0; i < 10_000; i += 1) {
    const { status } = await rawCall(peer, clientStreamId(i), TargetPath.ECHO, 'x');
    if (status !== '0') throw new Error(`call ${i}: ${status}`);
  }
  await peer.close();
  await target.close();
});

/** Whether what was sent is still waiting after a while. */
function isHeldUp(peer: RawPeer): Promise<boolean> {
  return within(peer.flushed(), () => 'the kernel to take it', 500).then(
    () => false,
    () => true,
  );
}

/** With a stream that stays open, to send frames on. */
async function attackerOn(port: number): Promise<RawPeer> {
  const peer = await RawPeer.open(port);
  peer.send(opening(1, TargetPath.COUNT));
  await peer.next('SETTINGS are acknowledged', ({ type, flags }) => type === FrameType.SETTINGS && flags === 1);
  return peer;
}
