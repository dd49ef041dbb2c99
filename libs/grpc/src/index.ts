export { GrpcChannel, type GrpcChannelOptions } from './grpc-channel';
export { GrpcServer, type GrpcServerOptions } from './grpc-server';
