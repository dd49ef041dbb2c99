import { GrpcServer } from '@bms/grpc';
import { EDGE_LIMITS, H2Server, MESH_LIMITS } from '@bms/h2';
import type { Routes, Server, ServerOptions } from '@bms/transport';
import type { Transport } from './transport';

/** Who calls: anybody, or the mesh's own routers, which send many callers' requests over one connection. */
export type Peers = 'callers' | 'mesh';

export interface DataPlaneOptions extends ServerOptions {
  readonly transport: Transport;
  readonly peers: Peers;
}

/** A server for predictions. */
export function openDataPlane(routes: Routes, { transport, peers, ...options }: DataPlaneOptions): Server {
  if (transport === 'grpc-js') return new GrpcServer(routes, options);
  return new H2Server(routes, { ...options, limits: peers === 'mesh' ? MESH_LIMITS : EDGE_LIMITS });
}
