import { clientStreamId, opening, resetOn } from '../testkit/attack';
import { grpcMessage } from '../testkit/grpc-request';
import { answerOn, rawCall } from '../testkit/raw-call';
import { dataFrame } from '../testkit/raw-frame';
import type { RawPeer } from '../testkit/raw-peer';
import { Target, TargetPath } from '../testkit/target';

// A server that has its answer before the caller has said all (RFC 9113 §8.1): the answer whole, then RST_STREAM with NO_ERROR.

let target: Target;
let peer: RawPeer;

beforeEach(async () => {
  target = await Target.start({ messageBytes: 1_000 });
  peer = await target.open();
});

afterEach(async () => {
  await peer.close();
  await target.close();
  expect(target.internalErrors).toEqual([]);
});

const early: readonly [string, Buffer, string][] = [
  ['an unknown method', opening(1, '/target.T/Nothing'), '12'],
  [
    'a message that is too large',
    Buffer.concat([opening(1, TargetPath.ECHO), dataFrame(1, grpcMessage('', 0, 1_001))]),
    '8',
  ],
  ['a deadline that has passed', opening(1, TargetPath.ECHO, ['grpc-timeout', '1m']), '4'],
];

test.each(early)(
  'to %s comes whole, then the caller is told to stop, and what it has sent by then is no offence',
  async (_name, bytes, status) => {
    peer.send(bytes);
    expect((await answerOn(peer, 1)).status).toBe(status);
    expect(await resetOn(peer, 1)).toBe('NO_ERROR');
    for (let i = 0; i < 300; i += 1) peer.send(dataFrame(1, Buffer.alloc(1_000)));
    expect((await rawCall(peer, 3, TargetPath.ECHO, 'next')).status).toBe('0');
  },
);

test('to 1,000 calls that all go on sending is no reset of the caller’s', async () => {
  for (let i = 0; i < 1_000; i += 1) {
    const id = clientStreamId(i);
    peer.send(opening(id, '/target.T/Nothing'), dataFrame(id, grpcMessage('x')));
    expect((await answerOn(peer, id)).status).toBe('12');
  }
  expect((await rawCall(peer, clientStreamId(1_000), TargetPath.ECHO, 'next')).status).toBe('0');
});
