import { RouteTable } from './catalog/route-table';
import { routeSnapshot } from './catalog/routes.testkit';
import { readinessOf } from './readiness';

const routes = RouteTable.of(routeSnapshot(1, [], []));

describe('readinessOf', () => {
  it.each([
    ['has no routes', undefined, 0, 0, false, 'no routes yet: the registry was not reached'],
    ['has routes without workers', routes, 0, 0, false, undefined],
    ['is connected to no worker', routes, 2, 0, false, 'none of 2 workers is connected'],
    ['is connected to one of its workers', routes, 2, 1, false, undefined],
    ['is stopping', routes, 2, 2, true, 'the router is stopping'],
  ])('of a router that %s', (_what, current, routed, connected, stopping, reason) => {
    const readiness = readinessOf({ current }, { size: { routed, connected } }, stopping);
    expect(readiness).toEqual(reason === undefined ? { ready: true } : { ready: false, reason });
  });
});
