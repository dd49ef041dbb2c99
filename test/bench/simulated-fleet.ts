import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { inference } from '@bms/contracts';
import { GrpcServer } from '@bms/grpc';
import { HealthService } from '@bms/transport';
import type { BenchmarkContext } from './benchmark';
import { workerName } from './filled-store';
import { SimulatedWorker } from './simulated-worker';

export interface FleetOptions {
  readonly size: number;
  readonly registries: readonly string[];
  readonly token: string;
}

/** Simulated workers behind one port: routers reach them all there, and find nothing to call. */
export class SimulatedFleet {
  private readonly waiting = new Set<() => void>();

  private constructor(
    private readonly workers: SimulatedWorker[],
    private readonly server: GrpcServer,
    private readonly announce: { change: () => void },
  ) {
    announce.change = () => {
      for (const look of [...this.waiting]) look();
    };
  }

  /** Made, not started. */
  static async of(context: BenchmarkContext, { size, registries, token }: FleetOptions): Promise<SimulatedFleet> {
    const health = new HealthService();
    health.setServing(true, inference.GRPCInferenceServiceDefinition.fullName);
    const server = new GrpcServer(health.routes(), { onInternalError: () => undefined });
    const port = await server.listen({ host: '127.0.0.1', port: 0 });
    const announce = { change: (): void => undefined };
    const workers = Array.from({ length: size }, (_, index) => {
      const id = workerName(index);
      const folder = join(context.folder, 'simulated', id);
      mkdirSync(folder, { recursive: true });
      // Each begins with another registry, so that the load is spread.
      const turned = registries.map((_, turn) => registries[(index + turn) % registries.length] as string);
      const onChange = (): void => announce.change();
      return new SimulatedWorker({ id, registries: turned, token, address: `127.0.0.1:${port}`, folder, onChange });
    });
    const fleet = new SimulatedFleet(workers, server, announce);
    context.atEnd(() => fleet.close());
    return fleet;
  }

  start(): void {
    for (const worker of this.workers) worker.start();
  }

  /** Resolves once every worker is attached and has heard what is desired of it. */
  async attached(): Promise<void> {
    await this.until(() => this.workers.every((worker) => worker.attached));
  }

  /** Kills a worker that holds something. */
  async loseOne(): Promise<void> {
    const at = this.workers.findIndex(({ holds }) => holds > 0);
    const [lost] = at < 0 ? [] : this.workers.splice(at, 1);
    await lost?.die();
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.splice(0).map((worker) => worker.die()));
    await this.server.close();
  }

  private until(holds: () => boolean): Promise<void> {
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
}
