import { assertNever } from '@bms/contracts';
import { GrpcServer } from '@bms/grpc';
import { H2Server, MESH_LIMITS, type ServerTls } from '@bms/h2';
import type { Routes, Server } from '@bms/transport';

/** The transports of the data plane, as the services' setting calls them. */
export const TRANSPORTS = ['h2', 'grpc-js'] as const;
/** The one that services take by themselves. */
export const OWN_TRANSPORT: TransportKind = 'h2';
export type TransportKind = (typeof TRANSPORTS)[number];

export function parseTransport(text: string | undefined): TransportKind {
  const kind = TRANSPORTS.find((one) => one === text);
  if (kind === undefined) throw new Error(`--transport is ${text ?? 'missing'}: allowed is ${TRANSPORTS.join(', ')}`);
  return kind;
}

/** A server of the transport, with a worker's own limits. @param tls h2 alone knows it */
export function transportServer(kind: TransportKind, routes: Routes, tls?: ServerTls): Server {
  switch (kind) {
    case 'h2':
      return new H2Server(routes, { limits: MESH_LIMITS, tls });
    case 'grpc-js':
      return new GrpcServer(routes);
    default:
      return assertNever(kind);
  }
}

/** What tells a router or a worker its transport. */
export function serviceFlags(_kind: TransportKind): readonly string[] {
  return [];
}
