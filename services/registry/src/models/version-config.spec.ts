import { models, Reason } from '@bms/contracts';
import { checkVersionConfig } from './version-config';

describe('checkVersionConfig', () => {
  it('takes no config for all defaults', () => {
    expect(checkVersionConfig(undefined)).toEqual({ replicas: 0, intraOpThreads: 0, graphOptimization: '' });
  });

  it.each([
    { replicas: 1000, intraOpThreads: 256, graphOptimization: 'extended' },
    { replicas: 0, intraOpThreads: 0, graphOptimization: 'disabled' },
  ])('takes %j', (config) => {
    expect(checkVersionConfig(models.VersionConfig.create(config))).toEqual(models.VersionConfig.create(config));
  });

  it.each([
    ['replicas', { replicas: -1 }, 'config.replicas: -1 is not allowed: 1 to 1000 workers'],
    ['replicas', { replicas: 1001 }, 'config.replicas: 1001 is not allowed'],
    ['intra_op_threads', { intraOpThreads: 257 }, 'config.intra_op_threads: 257 is not allowed: 1 to 256 threads'],
    ['graph_optimization', { graphOptimization: 'most' }, 'one of disabled, basic, extended, all'],
  ])('refuses a wrong %s: %j', (field, config, sentence) => {
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
