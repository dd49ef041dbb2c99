import { ErrorCode } from '../frames/error-code';
import { Setting } from '../frames/frame';
import { clientStreamId, countResets, endsWith, opening, resetOn } from '../testkit/attack';
import { grpcMessage } from '../testkit/grpc-request';
import { Neighbour } from '../testkit/neighbour';
import { rawCall } from '../testkit/raw-call';
import { dataFrame, priorityFrame, rawFrame, resetFrame, windowUpdateFrame } from '../testkit/raw-frame';
import { Target, TargetPath } from '../testkit/target';
import { FrameType } from '../frames/frame';

// CVE-2023-44487 (rapid reset) and CVE-2025-8671 (MadeYouReset).

let target: Target;
let neighbour: Neighbour;

beforeEach(async () => {
  target = await Target.start();
  neighbour = await Neighbour.start(target.port);
});

afterEach(async () => {
  await neighbour.stop();
  await target.close();
  expect(target.internalErrors).toEqual([]);
});

const request = (streamId: number, path: string): Buffer =>
  Buffer.concat([opening(streamId, path), dataFrame(streamId, grpcMessage('x'), { end: true })]);

describe('rapid reset', () => {
  test('of 20,000 calls ends with ENHANCE_YOUR_CALM after the allowance, and never runs more handlers than streams are allowed', async () => {
    const peer = await target.open();
    const sent = await peer.flood(20_000, (i) => {
      const id = clientStreamId(i);
      return Buffer.concat([request(id, TargetPath.DEAF), resetFrame(id, ErrorCode.CANCEL)]);
    });
    await endsWith(peer, ErrorCode.ENHANCE_YOUR_CALM);
    expect(sent).toBeLessThan(20_000);
    // A handler that does not hear that its caller is gone keeps its slot.
    expect(target.runningMost).toBeLessThanOrEqual(101);
    expect(target.begun - neighbour.calls).toBeLessThanOrEqual(101);
  });

  test('keeps a slot until the handler has ended, though its stream is gone', async () => {
    const peer = await target.open();
    for (let i = 0; i < 100; i += 1) {
      const id = clientStreamId(i);
      peer.send(request(id, TargetPath.DEAF), resetFrame(id, ErrorCode.CANCEL));
    }
    await peer.settled();
    peer.send(request(clientStreamId(100), TargetPath.ECHO));
    expect(await resetOn(peer, clientStreamId(100))).toBe('REFUSED_STREAM');
    target.letGo();
    await peer.settled();
    expect((await rawCall(peer, clientStreamId(101), TargetPath.ECHO, 'again')).status).toBe('0');
    await peer.close();
  });

  test('aborts the handlers of calls that were reset', async () => {
    const peer = await target.open();
    for (let i = 0; i < 50; i += 1) peer.send(request(clientStreamId(i), TargetPath.HOLD));
    await peer.settled();
    for (let i = 0; i < 50; i += 1) peer.send(resetFrame(clientStreamId(i), ErrorCode.CANCEL));
    await peer.settled();
    expect(target.aborted).toBe(50);
    await peer.close();
  });

  test('of streams that are refused counts, too', async () => {
    const peer = await target.open();
    await peer.flood(2_000, (i) => request(clientStreamId(i), TargetPath.HOLD));
    await endsWith(peer, ErrorCode.ENHANCE_YOUR_CALM);
    expect(countResets(peer)).toBeLessThanOrEqual(210);
    expect(target.runningMost).toBeLessThanOrEqual(101);
  });
});

describe('resets that the server is made to send', () => {
  const primitives: readonly [string, (id: number) => Buffer][] = [
    ['a WINDOW_UPDATE of 0', (id) => windowUpdateFrame(id, 0)],
    ['a WINDOW_UPDATE beyond the largest window', (id) => windowUpdateFrame(id, 2 ** 31 - 1)],
    ['PRIORITY of a bad length', (id) => rawFrame(FrameType.PRIORITY, 0, id, Buffer.alloc(4))],
    ['PRIORITY on itself', (id) => priorityFrame(id, { dependsOn: id })],
    ['DATA after the end', (id) => dataFrame(id, Buffer.from('more'))],
    ['HEADERS after the end', (id) => opening(id, TargetPath.HOLD, [], { end: true })],
  ];

  test.each(primitives)('by %s cost the same as resets of its own', async (_name, primitive) => {
    const peer = await target.open();
    const sent = await peer.flood(
      5_000,
      (i) => Buffer.concat([request(clientStreamId(i), TargetPath.HOLD), primitive(clientStreamId(i))]),
      20,
    );
    const { goaway } = await peer.closed();
    // A closed stream's HEADERS end the connection at once, the others use up the allowance.
    expect([ErrorCode.ENHANCE_YOUR_CALM, ErrorCode.STREAM_CLOSED]).toContain(goaway?.code);
    expect(sent).toBeLessThan(5_000);
    expect(target.runningMost).toBeLessThanOrEqual(101);
    expect(target.begun - neighbour.calls).toBeLessThanOrEqual(400);
    await neighbour.stop();
    expect(target.running).toBe(0);
    neighbour = await Neighbour.start(target.port);
  });
});

test('a peer that takes no headers at all gets its answers all the same: the setting is advice', async () => {
  const peer = await target.open([[Setting.MAX_HEADER_LIST_SIZE, 1]], { credits: 'lots' });
  for (let i = 0; i < 10_000; i += 1) {
    const answer = await rawCall(peer, clientStreamId(i), TargetPath.ECHO, 'x');
    if (answer.status !== '0') throw new Error(`call ${i}: ${JSON.stringify(answer)}`);
  }
  await peer.close();
});
