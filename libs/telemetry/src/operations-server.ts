import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { listenFailure } from '@bms/transport';
import type { Registry } from 'prom-client';

export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

export interface OperationsServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly metrics: Registry;
  /** Whether the service can do its job now. */
  readonly readiness: () => Readiness;
}

/** `/metrics` (Prometheus text), `/healthz` (the process answers), `/readyz` (503 with the reason until it can do its job). */
export class OperationsServer {
  private readonly server: Server;

  constructor(private readonly options: OperationsServerOptions) {
    this.server = createServer((request, response) => {
      const answer = (status: number, text: string, type = 'text/plain; charset=utf-8'): void => {
        response.writeHead(status, { 'content-type': type }).end(text);
      };
      const path = (request.url ?? '').split('?')[0];
      if (request.method !== 'GET' && request.method !== 'HEAD') answer(405, 'only GET is allowed\n');
      else if (path === '/healthz') answer(200, 'ok\n');
      else if (path === '/readyz') {
        const readiness = options.readiness();
        answer(readiness.ready ? 200 : 503, readiness.ready ? 'ready\n' : `not ready: ${readiness.reason}\n`);
      } else if (path === '/metrics') {
        options.metrics.metrics().then(
          (text) => answer(200, text, options.metrics.contentType),
          () => answer(500, 'the metrics cannot be collected\n'),
        );
      } else answer(404, 'there are /metrics, /healthz and /readyz\n');
    });
  }

  /** Resolves with the port; throws PortTakenError where it is taken, and a clear sentence where it cannot be had. */
  async listen(): Promise<number> {
    const { host, port } = this.options;
    try {
      await new Promise<void>((resolve, reject) => {
        this.server.once('error', reject);
        this.server.listen(port, host, resolve);
      });
    } catch (error) {
      throw listenFailure(error, { host, port });
    }
    return (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}
