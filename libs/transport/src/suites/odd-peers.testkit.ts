import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import http2 from 'node:http2';
import net, { type AddressInfo } from 'node:net';

/** What a test undoes at its end, the last first. */
export type Cleanups = (() => unknown)[];

/** A process that takes calls and never answers them; says `call` for each. */
export async function silentProcess(
  cleanups: Cleanups,
): Promise<{ child: ChildProcess; port: number; nextCall: () => Promise<unknown> }> {
  const program = `
    const server = require('node:http2').createServer();
    server.on('stream', () => console.log('call'));
    server.listen(0, '127.0.0.1', () => console.log(server.address().port));
  `;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  cleanups.push(() => child.kill('SIGKILL'));
  const said = (): Promise<unknown[]> => once(child.stdout, 'data');
  return { child, port: Number(String((await said())[0])), nextCall: said };
}

/** A peer of which a test decides each answer. */
export async function peer(
  cleanups: Cleanups,
  onStream: (stream: http2.ServerHttp2Stream, session: http2.Http2Session) => void,
): Promise<number> {
  const server = http2.createServer();
  const sessions = new Set<http2.Http2Session>();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (incoming) => {
    incoming.on('error', () => {});
    if (incoming.session !== undefined) onStream(incoming, incoming.session);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A peer that takes connections and says nothing, until `speak` lets the next ones talk HTTP/2. */
export async function mutePeer(
  cleanups: Cleanups,
): Promise<{ port: number; open: Set<net.Socket>; speak: () => void }> {
  const open = new Set<net.Socket>();
  const speaker = http2.createServer();
  let speaks = false;
  const listener = net.createServer((socket) => {
    socket.on('error', () => {}).on('close', () => open.delete(socket));
    open.add(socket);
    if (speaks) speaker.emit('connection', socket);
    else socket.resume();
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  cleanups.push(() => {
    for (const socket of open) socket.destroy();
    listener.close();
  });
  return { port: (listener.address() as AddressInfo).port, open, speak: () => (speaks = true) };
}
