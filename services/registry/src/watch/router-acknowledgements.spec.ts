import { routeService } from '@bms/contracts';
import { ManualClock } from '../manual-clock.testkit';
import { ChangeSource } from './change-source';
import type { RouteFeed } from './route-feed';
import { EMPTY_ROUTE_TABLE } from './route-table';
import { RouterAcknowledgements } from './router-acknowledgements';
import { MeshRouters } from './mesh-routers';
import { NO_PEERS } from '../peers/no-peers.testkit';
import { RouterConnections } from './router-connections';

const { signal } = new AbortController();

/** Routes whose revisions the spec moves, and routers that connect to them. */
function setting() {
  const clock = new ManualClock();
  const changes = new ChangeSource();
  const feed = {
    present: EMPTY_ROUTE_TABLE,
    onChange: (listener: () => void) => changes.onChange(listener),
  };
  const routers = new RouterConnections();
  const acknowledgements = new RouterAcknowledgements(
    feed as unknown as RouteFeed,
    new MeshRouters(routers, NO_PEERS, 'r1'),
    clock,
  );
  return {
    clock,
    acknowledgements,
    connect: (routerId: string, incarnation = 'i') =>
      routers.open(routeService.RouterHello.create({ routerId, incarnation })),
    /** The store has come to `revision`, and the last change of a route was at `changedRevision`. */
    routes: (revision: bigint, changedRevision = revision) => {
      feed.present = { ...EMPTY_ROUTE_TABLE, revision, changedRevision };
      changes.announce();
    },
  };
}

describe('RouterAcknowledgements', () => {
  it('is done at once where no router is connected', async () => {
    const { acknowledgements, routes } = setting();
    routes(5n);
    expect(acknowledgements.acknowledgedRevision()).toBe(5n);
    expect(await acknowledgements.waitFor(5n, 0, signal)).toEqual({ kind: 'acknowledged' });
  });

  it('waits for the slowest router, and says which are missing when the bound has passed', async () => {
    const { acknowledgements, clock, connect, routes } = setting();
    const [one, other] = [connect('r1'), connect('r2')];
    routes(5n);
    one.acknowledge(5n);
    other.acknowledge(4n);
    expect(acknowledgements.acknowledgedRevision()).toBe(4n);
    const late = acknowledgements.waitFor(5n, 1_000, signal);
    clock.advance(1_000);
    expect(await late).toEqual({ kind: 'missing', routers: ['r2'] });
    const waiting = acknowledgements.waitFor(5n, 1_000, signal);
    other.acknowledge(5n);
    expect(await waiting).toEqual({ kind: 'acknowledged' });
    expect(acknowledgements.acknowledgedRevision()).toBe(5n);
  });

  it('does not ask routers for revisions that changed no route', async () => {
    const { acknowledgements, connect, routes } = setting();
    connect('r1').acknowledge(3n);
    routes(9n, 3n);
    expect(acknowledgements.acknowledgedRevision()).toBe(9n);
    expect(await acknowledgements.waitFor(9n, 0, signal)).toEqual({ kind: 'acknowledged' });
  });

  it('waits until the routes themselves have the revision', async () => {
    const { acknowledgements, connect, routes } = setting();
    const router = connect('r1');
    routes(4n);
    router.acknowledge(4n);
    let done = false;
    const waiting = acknowledgements.waitFor(5n, 1_000, signal).finally(() => (done = true));
    await Promise.resolve();
    expect(done).toBe(false);
    routes(6n, 6n); // 5 and 6 came as one
    router.acknowledge(6n);
    expect(await waiting).toEqual({ kind: 'acknowledged' });
  });

  it('is not put off by changes that keep coming', async () => {
    const { acknowledgements, connect, routes } = setting();
    const router = connect('r1');
    routes(5n);
    const waiting = acknowledgements.waitFor(5n, 1_000, signal);
    routes(6n);
    router.acknowledge(5n);
    expect(await waiting).toEqual({ kind: 'acknowledged' });
  });

  it('stops waiting for a router that goes, and waits for one that comes', async () => {
    const { acknowledgements, connect, routes } = setting();
    const one = connect('r1');
    routes(5n);
    const waiting = acknowledgements.waitFor(5n, 1_000, signal);
    const other = connect('r2');
    one.close();
    other.acknowledge(5n);
    expect(await waiting).toEqual({ kind: 'acknowledged' });
  });

  it('counts two routers that run with one id both, whichever ends first', () => {
    const { acknowledgements, connect, routes } = setting();
    const [one, copy] = [connect('r1', 'first'), connect('r1', 'second')];
    routes(5n);
    copy.acknowledge(5n);
    one.acknowledge(4n);
    expect(acknowledgements.acknowledgedRevision()).toBe(4n);
    copy.close();
    expect(acknowledgements.acknowledgedRevision()).toBe(4n);
    one.close();
    expect(acknowledgements.acknowledgedRevision()).toBe(5n);
  });

  it('counts a router that connects again once, by its newer stream', () => {
    const { acknowledgements, connect, routes } = setting();
    const hanging = connect('r1');
    const present = connect('r1');
    routes(5n);
    present.acknowledge(5n);
    expect(acknowledgements.acknowledgedRevision()).toBe(5n);
    hanging.close(); // the end of the older one does not take the newer one away
    present.acknowledge(4n);
    routes(6n);
    expect(acknowledgements.acknowledgedRevision()).toBe(5n);
  });
});
