import type { Channel, ChannelOptions } from '../channel';
import type { Routes } from '../call';
import type { Server, ServerOptions } from '../server';

/** A transport, or two of which one calls the other, as the suites see it. */
export interface TransportKit {
  readonly name: string;
  server(routes: Routes, options?: ServerOptions): Server;
  channel(address: string, options?: ChannelOptions): Channel;
}
