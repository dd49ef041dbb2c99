import { models, Reason } from '@bms/contracts';
import { checkTakesBatches } from './batching-config';
import { checkVersionConfig } from './version-config';

type Given = Partial<models.VersionConfig>;

function optionsOf(provider: string, options: Record<string, string>): Given {
  return { providerOptions: { [provider]: { options } } };
}

function batchingOf(batching: Partial<models.BatchingConfig>): Given {
  return { batching: models.BatchingConfig.create(batching) };
}

function many(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [`option${at}`, '1']));
}

describe('checkVersionConfig', () => {
  it('takes no config for all defaults', () => {
    const defaults = { replicas: 0, intraOpThreads: 0, graphOptimization: '', device: '', fallback: '' };
    const batching = { mode: '', maxRows: 0, preferredRows: [], maxDelayMs: 0, maxQueueMs: 0 };
    expect(checkVersionConfig(undefined)).toEqual({ ...defaults, providerOptions: {}, executors: 0, batching });
  });

  it.each([
    { replicas: 1000, intraOpThreads: 256, graphOptimization: 'extended' },
    { replicas: 0, intraOpThreads: 0, graphOptimization: 'disabled' },
    { device: 'gpu', fallback: 'cpu' },
    { device: 'cuda' },
    { executors: 64 },
    { batching: { mode: 'on', maxRows: 4096, preferredRows: [8, 4096], maxDelayMs: 10_000, maxQueueMs: 600_000 } },
  ])('takes %j', (config) => {
    const batching = models.BatchingConfig.create({});
    expect(checkVersionConfig(models.VersionConfig.create(config))).toEqual(
      models.VersionConfig.create({ batching, ...config }),
    );
  });

  it('takes options of providers by provider', () => {
    const providerOptions = { webgpu: { options: { preferredLayout: 'NHWC' } }, cuda: { options: {} } };
    expect(checkVersionConfig(models.VersionConfig.create({ providerOptions })).providerOptions).toEqual({
      webgpu: { preferredLayout: 'NHWC' },
      cuda: {},
    });
  });

  it.each([
    ['replicas', { replicas: -1 }, 'config.replicas: -1 is not allowed: 1 to 1000 workers'],
    ['replicas', { replicas: 1001 }, 'config.replicas: 1001 is not allowed'],
    ['intra_op_threads', { intraOpThreads: 257 }, 'config.intra_op_threads: 257 is not allowed: 1 to 256 threads'],
    ['graph_optimization', { graphOptimization: 'most' }, 'one of disabled, basic, extended, all, or "" for all'],
    ['device', { device: 'tpu' }, '"tpu" is not allowed: one of gpu, cpu, cuda, tensorrt, webgpu'],
    ['device', { device: 'cuda:0' }, '"cuda:0" is not allowed: one of gpu'],
    ['fallback', { fallback: 'gpu' }, '"gpu" is not allowed: one of cpu, or "" for none'],
    ['provider_options', optionsOf('abacus', { a: '1' }), '"abacus" is not allowed: options are given to one of cpu'],
    ['provider_options.cuda', optionsOf('cuda', { 'a b': '1' }), '"a b" is not allowed: an option is a letter, then'],
    ['provider_options.cuda', optionsOf('cuda', { device_id: '1' }), "the worker's --device decides"],
    ['provider_options.webgpu.x', optionsOf('webgpu', { x: 'y'.repeat(1025) }), 'a text of at most 1024 characters'],
    ['provider_options.cuda', optionsOf('cuda', many(33)), '33 is not allowed: at most 32 options'],
    ['executors', { executors: 65 }, '65 is not allowed: 1 to 64 sessions a worker'],
    ['batching.mode', batchingOf({ mode: 'yes' }), '"yes" is not allowed: one of on, off, or ""'],
    ['batching.max_rows', batchingOf({ maxRows: 4097 }), '4097 is not allowed: 1 to 4096 rows'],
    ['batching.max_delay_ms', batchingOf({ maxDelayMs: -1 }), '-1 is not allowed: 1 to 10000 ms, or 0 for none'],
    ['batching.max_queue_ms', batchingOf({ maxQueueMs: 600_001 }), '600001 is not allowed: 1 to 600000 ms'],
    [
      'batching.preferred_rows',
      batchingOf({ maxRows: 8, preferredRows: [4, 16] }),
      '16 is not allowed: sizes of 1 to 8',
    ],
    [
      'batching.preferred_rows',
      batchingOf({ preferredRows: Array<number>(17).fill(2) }),
      '17 is not allowed: at most 16',
    ],
  ] as const)('refuses a wrong %s: %j', (field, config: Given, sentence) => {
    const check = (): unknown => checkVersionConfig(models.VersionConfig.create(config));
    expect(check).toThrow(sentence);
    expect(check).toThrow(
      expect.objectContaining({
        reason: Reason.INVALID_CONFIG,
        violations: [expect.objectContaining({ field: `config.${field}` })],
      }),
    );
  });

  it('names all wrong fields at once', () => {
    const config = models.VersionConfig.create({ replicas: -1, graphOptimization: 'x' });
    expect(() => checkVersionConfig(config)).toThrow(/config\.replicas.*config\.graph_optimization/);
  });
});

describe('checkTakesBatches', () => {
  const fixed = models.Signature.create({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1n, 4n] }] });
  const free = models.Signature.create({ inputs: [{ name: 'x', datatype: 'FP32', shape: [-1n, 4n] }] });
  const config = (mode: string) => checkVersionConfig(models.VersionConfig.create(batchingOf({ mode })));

  it('refuses batching that was asked for where the model has no free first dimension', () => {
    expect(() => checkTakesBatches(config('on'), fixed)).toThrow(/config\.batching\.mode: "on" is not allowed/);
    for (const [mode, signature] of [
      ['on', free],
      ['off', fixed],
      ['', fixed],
    ] as const) {
      expect(() => checkTakesBatches(config(mode), signature)).not.toThrow();
    }
  });
});
