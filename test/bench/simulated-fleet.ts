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
  /** Where routers reach the workers, in turn; one port in this process, where there is nothing to call, by default. */
  readonly addresses?: readonly string[] | undefined;
}

/** Simulated workers: a registry takes them for real ones, and routers reach them where it is said. */
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
  static async of(context: BenchmarkContext, options: FleetOptions): Promise<SimulatedFleet> {
    const { size, registries, token } = options;
    const health = new HealthService();
    health.setServing(true, inference.GRPCInferenceServiceDefinition.fullName);
    const server = new GrpcServer(health.routes(), { onInternalError: () => undefined });
    const port = await server.listen({ host: '127.0.0.1', port: 0 });
    const addresses = options.addresses ?? [`127.0.0.1:${port}`];
    const announce = { change: (): void => undefined };
    const workers = Array.from({ length: size }, (_, index) => {
      const id = workerName(index);
      const folder = join(context.folder, 'simulated', id);
      mkdirSync(folder, { recursive: true });
      // Each begins with another registry, so that the load is spread.
      const turned = registries.map((_, turn) => registries[(index + turn) % registries.length] as string);
      const onChange = (): void => announce.change();
      const address = addresses[index % addresses.length] as string;
      return new SimulatedWorker({ id, registries: turned, token, address, folder, onChange });
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
