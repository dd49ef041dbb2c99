import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { models, type meshService } from '@bms/contracts';
import { BmsClient } from '@bms/sdk';
import { ROOT, TestMesh } from '../test-mesh';
import { CheckedLoad, type LoadSummary } from './checked-load';

type MeshStatus = meshService.GetMeshStatusResponse;

export interface Roles {
  readonly leader: meshService.RegistryStatus;
  readonly follower: meshService.RegistryStatus;
}

/** The two versions of the digits example, whose answers are known. */
export const DIGITS_FILES = [1, 2].map((number) => join(ROOT, `examples/digits/digits-v${number}.onnx`));

const REPLICAS = 2;
const RATE = 60;
const LOOK_EVERY_MS = 20;

/** A mesh of two registries, two routers and two workers over an etcd that has something happen to it. */
export class ChaosMesh {
  private labels = 0;

  private constructor(
    readonly processes: TestMesh,
    private readonly client: BmsClient,
  ) {}

  /** @param store as `--store` takes it */
  static async start(store: string, env: Readonly<Record<string, string>> = {}): Promise<ChaosMesh> {
    const replicas = ['--registries', String(REPLICAS), '--routers', String(REPLICAS)];
    const processes = await TestMesh.start({ flags: ['--store', store, ...replicas], example: false, env });
    const { token } = processes;
    const client = new BmsClient({ router: routersOf(processes), admin: processes.address(100), token });
    return new ChaosMesh(processes, client);
  }

  /** Checked requests through both routers while `disturb` runs. */
  async underLoad(disturb: () => Promise<void>, attempts = 1): Promise<LoadSummary> {
    const routers = routersOf(this.processes).join();
    const load = await CheckedLoad.start(this.processes, { routers, ratePerSecond: RATE, attempts });
    await disturb().catch(async (error: unknown) => {
      throw new Error(`under a load that came to ${JSON.stringify(await load.end())}`, { cause: error });
    });
    return load.end();
  }

  /**
   * Resolves once all is as it should be: everyone is there, one registry leads, each version is on both workers, and a label
   * that is set is acknowledged by both routers. Answers how long that took.
   */
  async converged(boundMs: number): Promise<number> {
    const startedMs = performance.now();
    for (;;) {
      const status = await this.status().catch(() => undefined);
      const lack = status === undefined ? 'answer of a registry' : (lackOf(status) ?? (await this.lackOfRouters()));
      const tookMs = performance.now() - startedMs;
      if (lack === undefined) return tookMs;
      if (tookMs > boundMs) throw new Error(`no ${lack} within ${boundMs} ms:\n${described(status)}`);
      await sleep(LOOK_EVERY_MS);
    }
  }

  /** What `check` finds in the status, looking until it does. */
  async told<T>(check: (status: MeshStatus) => T | undefined | false, boundMs = 20_000): Promise<T> {
    const endMs = performance.now() + boundMs;
    for (;;) {
      const status = await this.status().catch(() => undefined);
      const found = status === undefined ? undefined : check(status);
      if (found !== undefined && found !== false) return found;
      if (performance.now() > endMs) throw new Error(`it did not come within ${boundMs} ms:\n${described(status)}`);
      await sleep(LOOK_EVERY_MS);
    }
  }

  status(): Promise<MeshStatus> {
    return this.client.mesh.getMeshStatus({ tenant: 'default' }, { deadlineMs: Date.now() + 2_000 });
  }

  async roles(): Promise<Roles> {
    return this.told(({ registries }) => {
      const [leader, ...others] = registries.filter((one) => one.leader);
      const follower = registries.find((one) => !one.leader);
      return leader !== undefined && others.length === 0 && follower !== undefined && { leader, follower };
    });
  }

  /** Resolves once both routers have acknowledged it. */
  async label(label: string, version: bigint, timeoutMs = 5_000): Promise<void> {
    const ref = { tenant: 'default', model: 'digits', version };
    const deadlineMs = Date.now() + timeoutMs;
    await this.client.models.setLabel({ ref, label, timeoutMs: BigInt(timeoutMs) }, { deadlineMs });
  }

  /** Runs a verb that has to succeed; answers what it prints. */
  async bms(...args: readonly string[]): Promise<string> {
    const { code, out, err } = await this.processes.bms(...args);
    if (code !== 0) throw new Error(`bms ${args.join(' ')} ended with ${code}: ${out} ${err}`);
    return out;
  }

  /** The version that answers, and what it says to one picture, asked of each router alone. */
  async answers(
    reference: { readonly version?: number; readonly label?: string } = {},
  ): Promise<readonly { readonly version: number; readonly probabilities: readonly number[] }[]> {
    const pixels = Float32Array.from({ length: 64 }, (_, at) => (at * 7) % 17);
    return Promise.all(
      routersOf(this.processes).map(async (router) => {
        const client = new BmsClient({ router, retry: { attempts: 1 } });
        try {
          const inputs = { pixels: { datatype: 'FP32' as const, shape: [1, 64], data: pixels } };
          const { version, outputs } = await client.infer(
            { model: 'digits', ...reference, inputs },
            { timeoutMs: 2_000 },
          );
          return { version, probabilities: [...(outputs['probabilities']?.data as Float32Array)] };
        } finally {
          client.close();
        }
      }),
    );
  }

  /** When a process first logged `message` after `sinceMs`, both in milliseconds since 1970; undefined: it did not. */
  loggedAtMs(name: string, message: string, sinceMs: number): number | undefined {
    const lines = readFileSync(join(this.processes.data, 'logs', `${name}.log`), 'utf8').split('\n');
    return lines
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as { readonly time: string | number; readonly msg: string })
      .filter(({ msg }) => msg === message)
      .map(({ time }) => new Date(time).getTime())
      .find((timeMs) => timeMs >= sinceMs);
  }

  async stop(): Promise<void> {
    this.client.close();
    await this.processes.stop();
  }

  /** Sets a label and asks both routers for what it means. */
  private async lackOfRouters(): Promise<string | undefined> {
    const label = `moved-${this.labels++}`;
    try {
      await this.label(label, 1n);
      const answers = await this.answers({ label });
      return answers.every(({ version }) => version === 1) ? undefined : 'router that follows a label';
    } catch (error) {
      return `label that can be set (${(error as Error).message})`;
    }
  }
}

function routersOf(processes: TestMesh): readonly string[] {
  return Array.from({ length: REPLICAS }, (_, index) => processes.address(10 * index));
}

/** What is not as it should be. */
function lackOf({ registries, workers, routers, versions, storeStatus }: MeshStatus): string | undefined {
  if (storeStatus?.doubt !== undefined) return 'trusted store';
  if (storeStatus?.trouble !== '') return 'store without trouble';
  if (registries.filter(({ reachable }) => reachable).length !== REPLICAS) return 'two registries';
  if (registries.filter(({ leader }) => leader).length !== 1) return 'one leader';
  if (workers.filter(({ attached }) => attached).length !== REPLICAS) return 'two workers';
  if (routers.length !== REPLICAS) return 'two routers';
  const placed = versions.every(
    ({ state, readyReplicas }) => readyReplicas === (state === models.VersionState.PUBLISHED ? REPLICAS : 0),
  );
  return versions.length > 0 && placed ? undefined : 'replica of each version on both workers';
}

function described(status: MeshStatus | undefined): string {
  return JSON.stringify(status, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value));
}
