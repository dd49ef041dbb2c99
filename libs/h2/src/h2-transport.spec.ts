import { transportSuites, type TransportKit } from '@bms/transport/testkit';
import { H2Channel } from './client/h2-channel';
import { MESH_LIMITS } from './limits';
import { H2Server } from './server/h2-server';

const KIT: TransportKit = {
  name: 'our own HTTP/2',
  server: (routes, options) => new H2Server(routes, { limits: MESH_LIMITS, ...options }),
  channel: (address, options) => new H2Channel(address, options),
};

transportSuites(KIT);
