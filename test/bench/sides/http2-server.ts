import { once } from 'node:events';
import { createServer, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { runService } from '@bms/lifecycle';
import { NOOP_ANSWER } from '../noop-answer';

const WINDOW_BYTES = 4 * 2 ** 20;

/** A rival's process: gRPC's frames by node:http2 alone, answering the same fixed bytes. */
void runService(async () => {
  const server = createServer({ settings: { initialWindowSize: WINDOW_BYTES } });
  const sessions = new Set<ServerHttp2Session>();
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(NOOP_ANSWER.byteLength, 1);
  const answer = Buffer.concat([prefix, NOOP_ANSWER]);
  server.on('session', (session) => {
    sessions.add(session);
    session.setLocalWindowSize(WINDOW_BYTES);
    session.once('close', () => sessions.delete(session));
  });
  server.on('stream', (stream) => {
    stream.on('error', () => undefined); // the caller is gone
    stream.resume();
    stream.once('end', () => {
      if (stream.destroyed) return;
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(answer);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    facts: { address: `127.0.0.1:${port}` },
    stop: async () => {
      for (const session of sessions) session.destroy();
      server.close();
    },
  };
});
