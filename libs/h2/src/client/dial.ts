import net from 'node:net';
import tls from 'node:tls';
import type { TlsFiles } from '@bms/transport';

/** A socket on its way to `host:port`; `onConnect` is called once it can be written to, TLS included. */
export function dial(address: string, pem: TlsFiles | undefined, onConnect: (socket: net.Socket) => void): net.Socket {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
  const port = Number(address.slice(colon + 1));
  if (pem === undefined) {
    const socket = net.connect({ host, port, noDelay: true });
    socket.once('connect', () => onConnect(socket));
    return socket;
  }
  const { ca, cert, key } = pem;
  const name = net.isIP(host) === 0 ? { servername: host } : {};
  const socket = tls.connect({ host, port, ...name, ca, cert, key, ALPNProtocols: ['h2'], minVersion: 'TLSv1.2' });
  socket.setNoDelay(true);
  socket.once('secureConnect', () => {
    if (socket.alpnProtocol === 'h2') onConnect(socket);
    else socket.destroy(new Error('the server does not offer HTTP/2 (ALPN h2)'));
  });
  return socket;
}
