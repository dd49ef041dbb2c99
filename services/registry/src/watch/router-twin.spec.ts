import { routeService } from '@bms/contracts';
import { ManualClock } from '../manual-clock.testkit';
import { NO_PEERS } from '../peers/no-peers.testkit';
import { MeshRouters } from './mesh-routers';
import { RouterConnections } from './router-connections';
import { TWIN_AFTER_MS, watchForTwin } from './router-twin';

describe('watchForTwin', () => {
  it.each([
    ['tells of another router that runs with the same id', 'router-1', 'second', ['second']],
    ['has nothing to tell of a router with another id', 'router-2', 'second', []],
    ['has nothing to tell of the same run that connects again', 'router-1', 'first', []],
  ])('%s', (_, routerId, incarnation, expected) => {
    const clock = new ManualClock();
    const connections = new RouterConnections();
    const hello = routeService.RouterHello.create({ routerId: 'router-1', incarnation: 'first' });
    const twins: string[] = [];
    connections.open(hello);
    watchForTwin(hello, new MeshRouters(connections, NO_PEERS, 'r1'), clock, (twin) => {
      twins.push(twin.hello.incarnation);
    });
    connections.open(routeService.RouterHello.create({ routerId, incarnation }));
    clock.advance(TWIN_AFTER_MS);
    expect(twins).toEqual(expected);
  });
});
