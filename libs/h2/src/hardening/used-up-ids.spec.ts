import { once } from 'node:events';
import { connect } from 'node:net';
import { ClientConnection } from '../client/client-connection';
import { FrameType, STREAM_ID_MAX } from '../frames/frame';
import { MESH_LIMITS } from '../limits';
import { callFields } from '../testkit/grpc-request';
import { RawListener } from '../testkit/raw-listener';

const NOBODY = { onHeaders: () => {}, onData: () => {}, onDrain: () => {}, onReset: () => {} };

test('a client leaves a connection when three quarters of its stream ids are used up, and not before', async () => {
  const listener = await RawListener.start();
  const socket = connect({ port: listener.port, host: '127.0.0.1' });
  const told: string[] = [];
  const connection = new ClientConnection(
    socket,
    { limits: MESH_LIMITS, indexedHeaders: new Set() },
    {
      onReady: () => told.push('ready'),
      onRoom: () => {},
      onLeaving: () => told.push('leaving'),
      onSpent: () => told.push('spent'),
    },
  );
  const peer = await listener.welcome();
  while (!connection.greeted) await once(socket, 'data');
  // Eight hundred million calls later.
  const late = 2 * Math.floor((STREAM_ID_MAX * 0.75 - 1) / 2) + 1;
  Object.assign(connection, { nextId: late - 2 });

  connection.open(callFields('/a.B/C'), NOBODY);
  expect([connection.hasRoom, told]).toEqual([true, ['ready']]);
  connection.open(callFields('/a.B/C'), NOBODY);
  expect([connection.hasRoom, told]).toEqual([false, ['ready', 'spent']]);
  for (const id of [late - 2, late]) {
    await peer.next(`HEADERS on ${id}`, ({ type, streamId }) => type === FrameType.HEADERS && streamId === id);
  }
  connection.destroy();
  await listener.close();
});
