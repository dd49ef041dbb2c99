import { BmsError, peerService, Reason } from '@bms/contracts';
import { implement, type Routes } from '@bms/transport';
import type { Clock } from './clock';
import type { StorePulse } from './peers/store-pulse';
import type { RegistryIdentity } from './store/state-folder';
import type { StreamGate } from './streams/stream-gate';
import { Wakeup } from './streams/wakeup';
import type { RouteFeed } from './watch/route-feed';
import type { RouterConnections } from './watch/router-connections';

export interface PeerHandlerOptions {
  readonly identity: RegistryIdentity;
  readonly meshId: string;
  readonly feed: RouteFeed;
  readonly connections: RouterConnections;
  readonly pulse: StorePulse;
  readonly clock: Clock;
  /** Closed when this registry goes away. */
  readonly gate: StreamGate;
}

/** The state is told at least this often, and totals at most. */
const EVERY_MS = 1_000;

/** PeerService: what other registries are told. */
export function peerHandler(options: PeerHandlerOptions): Routes {
  const { meshId, connections, pulse, clock, gate } = options;
  return implement(peerService.PeerServiceDefinition, {
    watchPeer: async function* (request, { signal }) {
      if (request.meshId !== meshId) {
        throw new BmsError(Reason.CONFLICT, `this registry belongs to the mesh ${meshId}, not to ${request.meshId}`);
      }
      const wakeup = new Wakeup();
      let cancel = (): void => undefined;
      const undo = [connections, pulse, gate].map((source) => source.onChange(wakeup.wake));
      undo.push(wakeup.onAbort(signal), () => cancel());
      let [toldTotals, toldAtMs] = [-1, -Infinity];
      try {
        while (!signal.aborted) {
          const refusal = gate.refusal();
          if (refusal !== undefined) throw refusal;
          yield { kind: { $case: 'state', value: peerState(options) } };
          const { totalsTold } = connections;
          if (totalsTold !== toldTotals && clock.nowMs() - toldAtMs >= EVERY_MS) {
            [toldTotals, toldAtMs] = [totalsTold, clock.nowMs()];
            yield { kind: { $case: 'totals', value: { routers: connections.totals() } } };
          }
          cancel = clock.after(EVERY_MS, wakeup.wake);
          await wakeup.wait();
          cancel();
        }
      } finally {
        for (const action of undo) action();
      }
    },
  });
}

function peerState({ identity, feed, connections, pulse }: PeerHandlerOptions): peerService.PeerState {
  const { revision, changedRevision } = feed.present;
  return {
    ...identity,
    revision,
    storeReachable: pulse.reaches,
    routers: connections.list().map(({ hello, acknowledgedRevision }) => ({
      hello,
      // Who has the last change of any route has everything up to here, by whatever revision others call that change.
      acknowledgedRevision: acknowledgedRevision >= changedRevision ? revision : acknowledgedRevision,
    })),
  };
}
