export { H2Channel } from './client/h2-channel';
export type { ServerTls } from './server/h2-listener';
export { H2Server, type H2ServerOptions } from './server/h2-server';
export { EDGE_LIMITS, MESH_LIMITS, type ConnectionLimits } from './limits';
