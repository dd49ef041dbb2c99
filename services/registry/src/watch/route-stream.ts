import { BmsError, type routeService } from '@bms/contracts';
import type { Incoming } from '../streams/incoming';
import type { StreamGate } from '../streams/stream-gate';
import { Wakeup } from '../streams/wakeup';
import type { RouteFeed } from './route-feed';
import { routeDelta, routeSnapshot } from './route-table';
import type { RouterConnection } from './router-connections';

export interface RouteStreamOptions {
  readonly feed: RouteFeed;
  readonly meshId: string;
  readonly connection: RouterConnection;
  readonly incoming: Incoming<routeService.WatchRoutesRequest>;
  /** Aborted when the router has gone. */
  readonly signal: AbortSignal;
  /** Closed when the router has to go elsewhere, or to serve on by itself. */
  readonly gate: StreamGate;
}

/**
 * What one router is sent: the routes as they are, then what changes. A router that reads slowly misses no change: it gets
 * all that has changed since its last message in one. What it says meanwhile is taken in as it comes.
 */
export async function* routeStream(options: RouteStreamOptions): AsyncIterable<routeService.WatchRoutesResponse> {
  const { feed, meshId, connection, incoming, signal, gate } = options;
  const wakeup = new Wakeup();
  const undo = [feed.routesChanged.onChange(wakeup.wake), wakeup.onAbort(signal), gate.onChange(wakeup.wake)];
  try {
    incoming.readRest((message) => take(connection, message), wakeup);
    let sent = feed.present;
    const { hello } = connection;
    // A router that holds this very revision of this mesh needs no snapshot, only to hear that it is up to date.
    const upToDate = hello.meshId === meshId && hello.epoch === feed.epoch && hello.revision === sent.revision;
    yield upToDate ? routeDelta(sent, sent) : routeSnapshot(sent, meshId, feed.epoch);
    for (;;) {
      if (signal.aborted || incoming.state.kind === 'ended') return;
      if (incoming.state.kind === 'failed') throw incoming.state.error;
      const refusal = gate.refusal();
      if (refusal !== undefined) throw refusal;
      const { present } = feed;
      if (present.changedRevision === sent.changedRevision) {
        await wakeup.wait();
      } else {
        yield routeDelta(sent, present);
        sent = present;
      }
    }
  } finally {
    for (const action of undo) action();
    connection.close();
  }
}

function take(connection: RouterConnection, { kind }: routeService.WatchRoutesRequest): void {
  switch (kind?.$case) {
    case 'acknowledgement':
      return connection.acknowledge(kind.value.revision);
    case 'totals':
      return connection.count(kind.value);
    case 'hello':
      throw BmsError.invalidRequest('hello', 'was sent already: it is the first message, once');
    case undefined:
      return; // of a newer release, which says more than we know
  }
}
