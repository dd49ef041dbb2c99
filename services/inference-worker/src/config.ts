import { join } from 'node:path';
import { EXECUTORS_MAX } from '@bms/contracts';
import { TRANSPORTS } from '@bms/data-plane';
import { PREVIOUS_EXIT_VARIABLE } from '@bms/lifecycle';
import { loadSettings, serviceFields, setting, type SettingsSources } from '@bms/settings';
import { MESSAGE_LIMIT_BYTES_DEFAULT } from '@bms/transport';
import { z } from 'zod';

export const settingsSchema = z.object({
  ...serviceFields,
  grpcPort: setting.port(8800).describe('inference'),
  operationsPort: setting.port(8900).describe('/metrics, /healthz, /readyz'),
  registry: setting.list(['127.0.0.1:8700']).describe('addresses of registries, tried in turn'),
  state: setting.optionalText().describe("this worker's own folder: DATA/workers/0 unless told"),
  cache: setting
    .optionalText()
    .describe('folder of fetched artifacts, shared by the workers of a host: DATA/cache unless told'),
  cacheLimit: setting.bytes(20 * 2 ** 30).describe('what the cache may take on disk'),
  device: setting
    .text('cpu')
    .describe('what models run on: cpu, cuda, cuda:1, webgpu, or auto (the first GPU that works, else the CPU)'),
  messageLimit: setting.bytes(MESSAGE_LIMIT_BYTES_DEFAULT, 1024).describe('largest request, and largest answer'),
  memoryLimit: setting
    .bytes(0, 0)
    .describe('memory that this worker may use; 0: what the machine and its control group allow'),
  fragmentedPercent: setting
    .integer(50, 1, 100)
    .describe('restart when this part of the memory is held for nothing and a version therefore does not fit'),
  intraOpThreads: setting.integer(1, 1, 1024).describe('threads inside one run, where the version does not say'),
  executors: setting
    .integer(0, 0, EXECUTORS_MAX)
    .describe('sessions of one version, where the version does not say; 0: as many as are measured to be worth it'),
  concurrentRuns: setting
    .integer(0, 0, 1024)
    .describe('runs at once; 0: half of the cores, divided by the threads of a run, at least 1 and at least EXECUTORS'),
  transport: setting.choice(TRANSPORTS, 'h2').describe('what predictions travel on: h2 (our own HTTP/2) or grpc-js'),
  queueRequests: setting.integer(1_000, 1, 1_000_000).describe('requests that may wait or run'),
  queueBytes: setting.bytes(256 * 2 ** 20).describe('bytes of their inputs'),
});

export type WorkerConfig = Omit<z.infer<typeof settingsSchema>, 'state' | 'cache' | 'memoryLimit'> & {
  readonly state: string;
  readonly cache: string;
  /** undefined: what the machine and its control group allow. */
  readonly memoryLimit: number | undefined;
  /** How the process before this one ended, as its supervisor tells: "SIGSEGV", "exit code 1". undefined: nobody tells. */
  readonly previousExit: string | undefined;
  /** What drivers of GPUs are told by the environment: which GPUs there are, which Vulkan driver to take. */
  readonly cudaVisibleDevices: string | undefined;
  readonly vulkanDriver: string | undefined;
};

/** Throws SettingsError. */
export function loadConfig(sources: SettingsSources): WorkerConfig {
  const given = loadSettings('worker', settingsSchema, sources);
  const { data, memoryLimit } = given;
  const { env } = sources;
  return {
    ...given,
    state: given.state ?? join(data, 'workers', '0'),
    cache: given.cache ?? join(data, 'cache'),
    memoryLimit: memoryLimit === 0 ? undefined : memoryLimit,
    previousExit: env[PREVIOUS_EXIT_VARIABLE],
    cudaVisibleDevices: env['CUDA_VISIBLE_DEVICES'],
    vulkanDriver: env['VK_DRIVER_FILES'] ?? env['VK_ICD_FILENAMES'],
  };
}
