import { openDataPlane, TRANSPORTS, type Transport } from '@bms/data-plane';
import { H2Server, MESH_LIMITS } from '@bms/h2';
import { selfSigned } from '@bms/h2/testkit';
import type { Routes, Server } from '@bms/transport';

/** The one that services take by themselves, and the one to fall back to. */
export const [OWN_TRANSPORT, FALLBACK_TRANSPORT] = TRANSPORTS;

export function parseTransport(text: string | undefined): Transport {
  const transport = TRANSPORTS.find((one) => one === text);
  if (transport === undefined)
    throw new Error(`--transport is ${text ?? 'missing'}: allowed is ${TRANSPORTS.join(', ')}`);
  return transport;
}

/** A server with a worker's own limits. */
export function workerServer(transport: Transport, routes: Routes): Server {
  return openDataPlane(routes, { transport, peers: 'mesh' });
}

/** The same over our transport, with a certificate that vouches for itself. */
export function secureWorkerServer(routes: Routes): Server {
  return new H2Server(routes, { limits: MESH_LIMITS, tls: selfSigned() });
}

/** What tells a router or a worker its transport. */
export function serviceFlags(transport: Transport): readonly string[] {
  return ['--transport', transport];
}
