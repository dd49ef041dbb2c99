import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { bearer } from '@bms/auth';
import { BmsError, CallMetadata, routeService } from '@bms/contracts';
import { GrpcChannel } from '@bms/grpc';
import { createClient, MessageQueue, Metadata } from '@bms/transport';
import type { BenchmarkContext } from './benchmark';

/** A registry that stands still shall be measured, not left. */
const PATIENCE_MS = 60_000;
const RETRY_MS = 100;

/** What one router is sent, counted; acknowledges at once, so that nobody waits for it. */
export class RouteProbe {
  /** Of all messages but snapshots. */
  deltaBytes = 0;
  /** The first one: its size, and how long it took to come. */
  snapshot: { readonly bytes: number; readonly ms: number } | undefined;
  private readonly ready = new Map<string, number>();
  private readonly waiting = new Set<() => void>();
  private readonly stopped = new AbortController();
  private readonly following: Promise<void>;

  private constructor(
    private readonly context: BenchmarkContext,
    private readonly registry: string,
    private readonly token: string,
  ) {
    this.following = this.followOn();
  }

  /** Resolves once the snapshot is there. */
  static async start(context: BenchmarkContext, registry: string, token: string): Promise<RouteProbe> {
    const probe = new RouteProbe(context, registry, token);
    context.atEnd(() => probe.close());
    await probe.until(() => probe.snapshot !== undefined);
    return probe;
  }

  /** Versions that at least so many workers have ready. */
  readyVersions(workers: number): number {
    return [...this.ready.values()].filter((count) => count >= workers).length;
  }

  /** Resolves once it holds, looking again after each message. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!holds()) return;
        this.waiting.delete(look);
        resolve();
      };
      this.waiting.add(look);
      look();
    });
  }

  async close(): Promise<void> {
    this.stopped.abort();
    await this.following;
  }

  /** Follows again whenever the stream breaks, as a router does. */
  private async followOn(): Promise<void> {
    const { signal } = this.stopped;
    while (!signal.aborted) {
      try {
        await this.followOnce(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.context.say(`followed the routes again: ${BmsError.from(error).message}`);
      }
      await wait(RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  private async followOnce(signal: AbortSignal): Promise<void> {
    const startedMs = performance.now();
    const channel = new GrpcChannel(this.registry, { keepaliveTimeoutMs: PATIENCE_MS });
    const requests = new MessageQueue<routeService.WatchRoutesRequest>();
    const hello = { routerId: 'probe', incarnation: randomUUID(), address: '127.0.0.1:1' };
    requests.push({ kind: { $case: 'hello', value: routeService.RouterHello.create(hello) } });
    const metadata = Metadata.from({ [CallMetadata.authorization]: bearer(this.token) });
    try {
      const client = createClient(routeService.RouteServiceDefinition, channel);
      for await (const message of client.watchRoutes(requests, { metadata, signal })) {
        const revision = this.take(message, performance.now() - startedMs);
        requests.push({ kind: { $case: 'acknowledgement', value: { revision } } });
        for (const look of [...this.waiting]) look();
      }
    } finally {
      requests.close();
      channel.close();
    }
  }

  /** Answers the message's revision. */
  private take(message: routeService.WatchRoutesResponse, sinceStartMs: number): bigint {
    const bytes = routeService.WatchRoutesResponse.encode(message).finish().byteLength;
    const { kind } = message;
    if (kind?.$case === 'snapshot') this.snapshot ??= { bytes, ms: sinceStartMs };
    else this.deltaBytes += bytes;
    for (const { tenant, model, versions } of kind?.value.models ?? []) {
      for (const one of versions) this.ready.set(`${tenant}/${model}@${one.version}`, one.readyWorkers.length);
    }
    return kind?.value.revision ?? 0n;
  }
}
