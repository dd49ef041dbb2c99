import { once } from 'node:events';
import type { ClientHttp2Session } from 'node:http2';
import net from 'node:net';
import type * as grpc from '@grpc/grpc-js';
import type { WatchedConnection } from './silence-watch';

/**
 * What grpc-js 1.14 keeps to itself and we need: the sockets below a channel. It cannot break off an attempt to connect (the
 * kernel then goes on for two minutes, at intervals that double, and the socket leaks), and it takes only an answered PING as a sign of life.
 * Its private fields are reached here and nowhere else; where a later version has others, making a channel throws.
 */
interface ChannelInternals {
  readonly internalChannel: { readonly subchannelPool: { getOrCreateSubchannel: (...given: unknown[]) => Subchannel } };
}
interface Subchannel {
  readonly connector: Connector;
}
interface Connector {
  tcpConnect: (address: net.TcpNetConnectOpts) => Promise<net.Socket>;
  connect: (...given: unknown[]) => Promise<Transport>;
}
interface Transport {
  readonly session: ClientHttp2Session;
  readonly activeCalls: ReadonlySet<unknown>;
}

/** Told what happens below a channel. */
export interface SocketEvents {
  /** It dials, with this socket. Whoever destroys it ends the attempt, or later the connection. */
  readonly onDial: (socket: net.Socket) => void;
  readonly onConnected: (connection: WatchedConnection) => void;
}

/** Lets `channel`, which must have a subchannel pool of its own, dial with sockets that `events` are told of. */
export function ownSockets(channel: grpc.Channel, events: SocketEvents): void {
  const pool = (channel as unknown as ChannelInternals).internalChannel.subchannelPool;
  const getOrCreate = pool.getOrCreateSubchannel.bind(pool);
  const known = new WeakSet<Connector>();
  pool.getOrCreateSubchannel = (...given) => {
    const subchannel = getOrCreate(...given);
    if (!known.has(subchannel.connector)) tap(subchannel.connector, events);
    known.add(subchannel.connector);
    return subchannel;
  };
}

function tap(connector: Connector, { onDial, onConnected }: SocketEvents): void {
  let socket: net.Socket | undefined;
  connector.tcpConnect = async (address) => {
    socket = net.connect(address);
    onDial(socket);
    await once(socket, 'connect');
    return socket;
  };
  const connect = connector.connect.bind(connector);
  connector.connect = async (...given) => {
    const transport = await connect(...given);
    if (socket !== undefined) {
      onConnected({ socket, session: transport.session, calls: () => transport.activeCalls.size });
    }
    return transport;
  };
}
