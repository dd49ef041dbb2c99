import { GrpcChannel } from '@bms/grpc';

/** A registry that is silent for one and a half seconds, or takes as long to connect to, is left for the next one. */
export function dialRegistry(address: string): GrpcChannel {
  return new GrpcChannel(address, { connectTimeoutMs: 1_500, keepaliveTimeoutMs: 1_000 });
}
