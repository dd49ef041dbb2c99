import { randomUUID } from 'node:crypto';
import { bearer } from '@bms/auth';
import { BmsError, CallMetadata, routeService } from '@bms/contracts';
import { GrpcChannel } from '@bms/grpc';
import { createClient, MessageQueue, Metadata } from '@bms/transport';
import type { BenchmarkContext } from './benchmark';

/** A registry that stands still shall be measured, not left. */
const PATIENCE_MS = 60_000;

/** What one router is sent, counted; acknowledges at once, so that nobody waits for it. */
export class RouteProbe {
  /** Bytes of all messages since the snapshot. */
  deltaBytes = 0;
  deltas = 0;
  /** Of the first message, and how long it took to come. */
  snapshot = { bytes: 0, ms: 0 };
  /** Follows no more. */
  close: () => Promise<void> = async () => undefined;
  private readonly ready = new Map<string, number>();
  private readonly waiting = new Set<() => void>();
  private broken: BmsError | undefined;

  /** Resolves once the snapshot is there. */
  static async start(context: BenchmarkContext, registry: string, token: string): Promise<RouteProbe> {
    const probe = new RouteProbe();
    const stopped = new AbortController();
    const channel = new GrpcChannel(registry, { keepaliveTimeoutMs: PATIENCE_MS });
    const requests = new MessageQueue<routeService.WatchRoutesRequest>();
    const value = routeService.RouterHello.create({
      routerId: 'probe',
      incarnation: randomUUID(),
      address: '127.0.0.1:1',
    });
    requests.push({ kind: { $case: 'hello', value } });
    const following = probe.follow(channel, requests, token, stopped.signal);
    probe.close = async () => {
      stopped.abort();
      requests.close();
      channel.close();
      await following;
    };
    context.atEnd(() => probe.close());
    await probe.until(() => probe.snapshot.bytes > 0);
    return probe;
  }

  /** Versions that at least so many workers have ready. */
  readyVersions(workers: number): number {
    return [...this.ready.values()].filter((count) => count >= workers).length;
  }

  /** Resolves once it holds, looking again after each message. Rejects when the stream breaks: nothing is counted any more. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (this.broken === undefined && !holds()) return;
        this.waiting.delete(look);
        if (this.broken === undefined) resolve();
        else reject(this.broken);
      };
      this.waiting.add(look);
      look();
    });
  }

  private look(): void {
    for (const look of [...this.waiting]) look();
  }

  private async follow(
    channel: GrpcChannel,
    requests: MessageQueue<routeService.WatchRoutesRequest>,
    token: string,
    signal: AbortSignal,
  ): Promise<void> {
    const startedMs = performance.now();
    const metadata = Metadata.from({ [CallMetadata.authorization]: bearer(token) });
    try {
      const client = createClient(routeService.RouteServiceDefinition, channel);
      for await (const message of client.watchRoutes(requests, { metadata, signal })) {
        const revision = this.take(message, performance.now() - startedMs);
        requests.push({ kind: { $case: 'acknowledgement', value: { revision } } });
        this.look();
      }
    } catch (error) {
      if (signal.aborted) return;
      this.broken = BmsError.from(error);
      this.look();
    }
  }

  /** Answers the message's revision. */
  private take(message: routeService.WatchRoutesResponse, sinceStartMs: number): bigint {
    const bytes = routeService.WatchRoutesResponse.encode(message).finish().byteLength;
    const { kind } = message;
    if (kind?.$case === 'snapshot') {
      this.snapshot = { bytes, ms: sinceStartMs };
    } else {
      this.deltaBytes += bytes;
      this.deltas += 1;
    }
    for (const { tenant, model, versions } of kind?.value.models ?? []) {
      for (const one of versions) this.ready.set(`${tenant}/${model}@${one.version}`, one.readyWorkers.length);
    }
    return kind?.value.revision ?? 0n;
  }
}
