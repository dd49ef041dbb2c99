import { assertNever, BmsError, Reason, routeService } from '@bms/contracts';
import { createClient, type Channel, type Metadata } from '@bms/transport';
import { pause, type Clock } from '../clock';
import type { Catalog } from './catalog';
import { judgeFeed } from './route-feed';
import { WatchOutbox } from './watch-outbox';

const TOTALS_EVERY_MS = 1_000;
const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 1_000;

export interface RouteWatchOptions {
  /** `host:port` each; tried in turn, from a random one on, so that routers spread over them. */
  readonly registries: readonly string[];
  readonly dial: (address: string) => Channel;
  /** Beside each call: who this is. */
  readonly metadata: Metadata;
  readonly identity: Pick<
    routeService.RouterHello,
    'routerId' | 'incarnation' | 'address' | 'operationsAddress' | 'pid'
  >;
  readonly catalog: Catalog;
  /** Resolves once those who are new in the routes are connected, or have been waited for. */
  readonly connected: (signal: AbortSignal) => Promise<void>;
  readonly totals: () => routeService.RouterTotals;
  readonly clock: Clock;
  readonly random: () => number;
  readonly observer: RouteWatchObserver;
}

export interface RouteWatchObserver {
  following(registry: string, revision: bigint): void;
  /** @param failures in a row, this one included */
  lost(registry: string, error: BmsError, failures: number): void;
  /** The routes in use stay. */
  foreignMesh(registry: string, meshId: string, heldMeshId: string): void;
  behind(registry: string, revision: bigint, heldRevision: bigint): void;
}

/**
 * Follows the registry's routes: takes each revision into use, acknowledges it, and tells the totals once a second. When a
 * registry is lost, the next one is asked, and meanwhile the routes in use stay.
 */
export class RouteWatch {
  private failures = 0;

  constructor(private readonly options: RouteWatchOptions) {}

  /** Ends when `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { registries, observer, clock, random } = this.options;
    const first = Math.floor(random() * registries.length);
    for (let turn = first; !signal.aborted; turn++) {
      const registry = registries[turn % registries.length] as string;
      try {
        await this.follow(registry, signal);
        throw new BmsError(Reason.DRAINING, 'the registry ended the stream');
      } catch (error) {
        if (signal.aborted) return;
        observer.lost(registry, BmsError.from(error), ++this.failures);
      }
      // The others are asked at once; when none of them is to be had, there is a pause.
      if (this.failures % registries.length === 0) await pause(clock, this.backoffMs(), signal);
    }
  }

  /** One stream, from hello to its end. */
  private async follow(registry: string, signal: AbortSignal): Promise<void> {
    const { dial, metadata } = this.options;
    const channel = dial(registry);
    const session = new AbortController();
    const stop = (): void => session.abort();
    signal.addEventListener('abort', stop, { once: true });
    const outbox = new WatchOutbox(this.hello(), this.options.totals);
    const stopTotals = this.tellTotals(outbox);
    try {
      const client = createClient(routeService.RouteServiceDefinition, channel);
      let opened = false;
      for await (const message of client.watchRoutes(outbox, { metadata, signal: session.signal })) {
        if (!this.take(message, registry, opened)) continue;
        if (!opened) this.options.observer.following(registry, this.heldRevision());
        opened = true;
        this.failures = 0;
        void this.acknowledge(outbox, session.signal);
      }
    } finally {
      signal.removeEventListener('abort', stop);
      session.abort();
      stopTotals();
      outbox.close();
      channel.close();
    }
  }

  /** Answers whether there is something to acknowledge. Throws when this registry is not to be followed. */
  private take(message: routeService.WatchRoutesResponse, registry: string, opened: boolean): boolean {
    const { catalog, observer } = this.options;
    const held = catalog.current;
    const verdict = judgeFeed(held, message, opened);
    switch (verdict.kind) {
      case 'keep':
        return false;
      case 'current':
        return true;
      case 'foreign':
        observer.foreignMesh(registry, verdict.meshId, held?.meshId ?? '');
        throw new BmsError(
          Reason.CONFLICT,
          `the registry belongs to mesh ${verdict.meshId}, this router to ${held?.meshId}`,
        );
      case 'behind':
        observer.behind(registry, verdict.revision, this.heldRevision());
        throw new BmsError(
          Reason.CONFLICT,
          `the registry is at revision ${verdict.revision}, behind ${this.heldRevision()}`,
        );
      case 'use':
        catalog.replace(verdict.table);
        return true;
      default:
        return assertNever(verdict);
    }
  }

  /** Says which revision the request path uses, once calls to its workers need not wait for a connection. */
  private async acknowledge(outbox: WatchOutbox, signal: AbortSignal): Promise<void> {
    await this.options.connected(signal);
    if (!signal.aborted) outbox.acknowledge(this.heldRevision());
  }

  private tellTotals(outbox: WatchOutbox): () => void {
    const { clock } = this.options;
    let cancel = (): void => {};
    const tell = (): void => {
      outbox.sendTotals();
      cancel = clock.after(TOTALS_EVERY_MS, tell);
    };
    tell();
    return () => cancel();
  }

  private hello(): routeService.RouterHello {
    const held = this.options.catalog.current;
    return {
      ...this.options.identity,
      meshId: held?.meshId ?? '',
      epoch: held?.epoch ?? 0n,
      revision: held?.revision ?? 0n,
    };
  }

  private heldRevision(): bigint {
    return this.options.catalog.current?.revision ?? 0n;
  }

  private backoffMs(): number {
    const rounds = this.failures / this.options.registries.length;
    return Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** (rounds - 1)) * (1 - 0.4 * this.options.random());
  }
}
