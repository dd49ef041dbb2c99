import { BmsError, health, Reason } from '@bms/contracts';
import type { Routes, ServerCall } from './call';
import { implement } from './implement';
import { MessageQueue } from './message-queue';

const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = health.HealthCheckResponse_ServingStatus;
type ServingStatus = health.HealthCheckResponse_ServingStatus;

/** The name that means the whole server. */
const SERVER = '';

interface Watch {
  readonly service: string;
  readonly changes: MessageQueue<ServingStatus>;
}

/**
 * gRPC health checking (https://github.com/grpc/grpc/blob/master/doc/health-checking.md) for one server. The server
 * as a whole is known from the start and NOT_SERVING until {@link setServing} says otherwise; a service is
 * known once something was said about it.
 */
export class HealthService {
  private readonly statuses = new Map<string, ServingStatus>([[SERVER, NOT_SERVING]]);
  private readonly watches = new Set<Watch>();
  private closed = false;

  /** Says whether `service`, or without one the whole server, takes calls. Watchers are told of each change. */
  setServing(serving: boolean, service = SERVER): void {
    const status = serving ? SERVING : NOT_SERVING;
    if (this.statuses.get(service) === status) return;
    this.statuses.set(service, status);
    for (const watch of this.watches) {
      if (watch.service === service) watch.changes.push(status);
    }
  }

  /** Everything is NOT_SERVING, and watches end after saying so: without it they would hold up a drain. */
  close(): void {
    for (const service of this.statuses.keys()) this.setServing(false, service);
    this.closed = true;
    for (const { changes } of this.watches) changes.close();
  }

  routes(): Routes {
    return implement(health.HealthDefinition, {
      check: async ({ service }) => ({ status: this.check(service) }),
      watch: ({ service }, call) => this.watch(service, call),
    });
  }

  private check(service: string): ServingStatus {
    const status = this.statuses.get(service);
    if (status !== undefined) return status;
    throw new BmsError(Reason.MODEL_NOT_FOUND, `no service ${JSON.stringify(service)} is known here; ${this.known()}`);
  }

  private async *watch(service: string, { signal }: ServerCall): AsyncIterable<health.HealthCheckResponse> {
    const watch: Watch = { service, changes: new MessageQueue<ServingStatus>() };
    const stop = (): void => watch.changes.close();
    watch.changes.push(this.statuses.get(service) ?? SERVICE_UNKNOWN);
    if (this.closed || signal.aborted) stop();
    this.watches.add(watch);
    signal.addEventListener('abort', stop, { once: true });
    try {
      for await (const status of watch.changes) yield { status };
    } finally {
      signal.removeEventListener('abort', stop);
      this.watches.delete(watch);
    }
  }

  private known(): string {
    const names = [...this.statuses.keys()].filter((name) => name !== SERVER);
    return names.length === 0
      ? 'ask for "", the whole server'
      : `known are ${names.join(', ')} and "", the whole server`;
  }
}
