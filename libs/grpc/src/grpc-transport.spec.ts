import { transportSuites, type TransportKit } from '@bms/transport/testkit';
import { GrpcChannel } from './grpc-channel';
import { GrpcServer } from './grpc-server';

const KIT: TransportKit = {
  name: 'grpc-js',
  server: (routes, options) => new GrpcServer(routes, options),
  channel: (address, options) => new GrpcChannel(address, options),
};

transportSuites(KIT);
