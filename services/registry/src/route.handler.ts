import { BmsError, routeService } from '@bms/contracts';
import { implement, type Routes } from '@bms/transport';
import type { Clock } from './clock';
import { Incoming } from './streams/incoming';
import type { StreamGate } from './streams/stream-gate';
import type { RouteFeed } from './watch/route-feed';
import type { KnownRouter, MeshRouters } from './watch/mesh-routers';
import type { RouterConnections } from './watch/router-connections';
import { watchForTwin } from './watch/router-twin';
import { routeStream } from './watch/route-stream';

export interface RouteHandlerOptions {
  readonly feed: RouteFeed;
  readonly connections: RouterConnections;
  readonly routers: MeshRouters;
  readonly clock: Clock;
  readonly meshId: string;
  readonly gate: StreamGate;
  readonly observer: RouterObserver;
}

/** Told what happens to routers, for logs. */
export interface RouterObserver {
  connected(hello: routeService.RouterHello): void;
  disconnected(hello: routeService.RouterHello): void;
  /** Two routers run with one id. */
  twin(hello: routeService.RouterHello, other: KnownRouter): void;
}

/** RouteService: the routers' end of the registry. */
export function routeHandler(options: RouteHandlerOptions): Routes {
  const { feed, connections, routers, clock, meshId, gate, observer } = options;
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
      const { value: hello } = kind;
      const connection = connections.open(hello);
      observer.connected(hello);
      const stopWatching = watchForTwin(hello, routers, clock, (other) => observer.twin(hello, other));
      try {
        yield* routeStream({ feed, meshId, connection, incoming, signal, gate });
      } finally {
        stopWatching();
        observer.disconnected(hello);
      }
    },
  });
}
