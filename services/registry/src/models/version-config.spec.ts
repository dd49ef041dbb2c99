import { models, Reason } from '@bms/contracts';
import { checkVersionConfig } from './version-config';

type Given = Partial<models.VersionConfig>;

function optionsOf(provider: string, options: Record<string, string>): Given {
  return { providerOptions: { [provider]: { options } } };
}

function many(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [`option${at}`, '1']));
}

describe('checkVersionConfig', () => {
  it('takes no config for all defaults', () => {
    const defaults = { replicas: 0, intraOpThreads: 0, graphOptimization: '', device: '', fallback: '' };
    expect(checkVersionConfig(undefined)).toEqual({ ...defaults, providerOptions: {} });
  });

  it.each([
    { replicas: 1000, intraOpThreads: 256, graphOptimization: 'extended' },
    { replicas: 0, intraOpThreads: 0, graphOptimization: 'disabled' },
    { device: 'gpu', fallback: 'cpu' },
    { device: 'cuda' },
  ])('takes %j', (config) => {
    expect(checkVersionConfig(models.VersionConfig.create(config))).toEqual(models.VersionConfig.create(config));
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
