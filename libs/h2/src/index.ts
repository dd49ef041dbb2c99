export { H2Channel } from './client/h2-channel';
export type { Stream, StreamEnd, StreamListener } from './connection/stream';
export { EDGE_LIMITS, MESH_LIMITS, type ConnectionLimits } from './limits';
export { H2Listener, type H2ListenerOptions, type ServerTls } from './server/h2-listener';
export { H2Server, type H2ServerOptions } from './server/h2-server';
export type { Accept } from './server/server-connection';
