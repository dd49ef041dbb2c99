import { mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { models } from '@bms/contracts';
import { GrpcChannel } from '@bms/grpc';
import { readServiceToken } from '@bms/auth';
import { BmsClient } from '@bms/sdk';
import type { BenchmarkContext } from '../benchmark';
import { INFER_PATH } from '../noop-answer';
import { RunningService } from '../running-service';
import type { Side } from './side';
import { OWN_TRANSPORT, serviceFlags } from './transport-server';

const ACTIVATE_BOUND_MS = 60_000;

/** A whole mesh with one real worker, and the model that is measured on it. */
export class ModelMesh {
  readonly routed: Side;
  readonly direct: Side;

  private constructor(
    private readonly services: readonly RunningService[],
    router: RunningService,
    readonly worker: RunningService,
  ) {
    const name = (kind: string): string => `${kind} (${OWN_TRANSPORT})`;
    this.routed = {
      name: name('routed'),
      address: router.grpc,
      pids: { front: router.pid, worker: worker.pid },
    };
    this.direct = { name: name('worker direct'), address: worker.grpc, pids: { front: worker.pid } };
  }

  /**
   * Resolves once the model's version is active.
   * @param executors of the worker: runs at once
   * @param name of its folder
   */
  static async start(
    outer: BenchmarkContext,
    model: string,
    file: string,
    executors: number,
    name = 'shared',
  ): Promise<ModelMesh> {
    const context = { ...outer, folder: join(outer.folder, `${model}-${name}`) };
    mkdirSync(context.folder, { recursive: true });
    const registry = await RunningService.start(context, 'registry', 'registry', []);
    const to = ['--registry', registry.grpc];
    const transport = serviceFlags(OWN_TRANSPORT);
    const executorFlags = ['--concurrent-runs', String(executors)];
    const worker = await RunningService.start(context, 'inference-worker', 'worker', [
      ...to,
      ...transport,
      ...executorFlags,
    ]);
    const admin = await RunningService.start(context, 'admin', 'admin', to);
    const router = await RunningService.start(context, 'router', 'router', [...to, ...transport]);
    await push(context, admin.grpc, model, file);
    return new ModelMesh([router, admin, worker, registry], router, worker);
  }

  /** The worker's answer to a request, by the other transport, so that it bears witness. */
  async answerTo(request: Uint8Array): Promise<Uint8Array> {
    const channel = new GrpcChannel(this.routed.address);
    try {
      return await channel.unary(INFER_PATH, request, { deadlineMs: Date.now() + ACTIVATE_BOUND_MS });
    } finally {
      channel.close();
    }
  }

  async stop(): Promise<void> {
    for (const service of this.services) await service.stop('SIGKILL');
  }
}

async function push(context: BenchmarkContext, admin: string, model: string, file: string): Promise<void> {
  const token = readServiceToken(join(context.folder, 'data')) as string;
  const client = new BmsClient({ admin, token, principal: 'bench' });
  try {
    const files = [{ path: basename(file), file }];
    const { version } = await client.pushVersion({ model, files });
    const { ref } = version;
    await client.models.setVersionState({ ref, state: models.VersionState.PUBLISHED, force: false });
    await client.models.activateVersion(
      { ref, timeoutMs: BigInt(ACTIVATE_BOUND_MS) },
      { deadlineMs: Date.now() + 2 * ACTIVATE_BOUND_MS },
    );
  } finally {
    client.close();
  }
}
