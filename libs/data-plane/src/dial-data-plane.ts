import { GrpcChannel } from '@bms/grpc';
import { H2Channel } from '@bms/h2';
import type { Channel, ChannelOptions } from '@bms/transport';
import type { Transport } from './transport';

/** A connection for predictions to `address`, `host:port`. */
export function dialDataPlane(transport: Transport, address: string, options: ChannelOptions = {}): Channel {
  return transport === 'grpc-js' ? new GrpcChannel(address, options) : new H2Channel(address, options);
}
