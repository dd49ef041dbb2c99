import { BmsError, routeService } from '@bms/contracts';
import { implement, type Routes } from '@bms/transport';
import { Incoming } from './streams/incoming';
import type { StreamGate } from './streams/stream-gate';
import type { RouteFeed } from './watch/route-feed';
import type { RouterConnections } from './watch/router-connections';
import { routeStream } from './watch/route-stream';

export interface RouteHandlerOptions {
  readonly feed: RouteFeed;
  readonly connections: RouterConnections;
  readonly meshId: string;
  readonly gate: StreamGate;
  readonly observer: RouterObserver;
}

/** Told what happens to routers, for logs. */
export interface RouterObserver {
  connected(hello: routeService.RouterHello): void;
  disconnected(hello: routeService.RouterHello): void;
}

/** RouteService: the routers' end of the registry. */
export function routeHandler({ feed, connections, meshId, gate, observer }: RouteHandlerOptions): Routes {
  return implement(routeService.RouteServiceDefinition, {
    watchRoutes: async function* (requests, { signal }) {
      const incoming = new Incoming(requests);
      const { kind } = await incoming.first();
      if (kind?.$case !== 'hello') throw BmsError.invalidRequest('hello', 'must be the first message');
      for (const field of ['routerId', 'incarnation'] as const) {
        if (kind.value[field] === '') throw BmsError.invalidRequest(`hello.${field}`, 'must not be empty');
      }
      const refusal = gate.refusal();
      if (refusal !== undefined) throw refusal;
      const connection = connections.open(kind.value);
      observer.connected(kind.value);
      try {
        yield* routeStream({ feed, meshId, connection, incoming, signal, gate });
      } finally {
        observer.disconnected(kind.value);
      }
    },
  });
}
