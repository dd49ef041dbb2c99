import { join } from 'node:path';
import { SettingsError } from '@bms/settings';
import { loadConfig } from './config';
import { defaultConcurrentRuns } from './servables/device-permits';

describe('loadConfig', () => {
  it('keeps its own folder and the cache in the data folder unless told', () => {
    const config = loadConfig({ argv: ['--data', 'd'], env: {} });
    expect([config.state, config.cache]).toEqual([join('d', 'workers', '0'), join('d', 'cache')]);
    expect(loadConfig({ argv: ['--state', 's', '--cache', 'c'], env: {} })).toMatchObject({ state: 's', cache: 'c' });
  });

  it('takes 0 for "as the machine has it"', () => {
    const config = loadConfig({ argv: [], env: {} });
    expect(config.memoryLimit).toBeUndefined();
    expect(config.concurrentRuns).toBe(0);
    expect(loadConfig({ argv: ['--memory-limit', '2GiB', '--concurrent-runs', '3'], env: {} })).toMatchObject({
      memoryLimit: 2 ** 31,
      concurrentRuns: 3,
    });
  });

  it('learns from its supervisor how the process before it ended', () => {
    expect(loadConfig({ argv: [], env: { BMS_PREVIOUS_EXIT: 'SIGSEGV' } }).previousExit).toBe('SIGSEGV');
  });

  it('refuses a wrong value with its name and what is allowed', () => {
    const wrong = (): unknown => loadConfig({ argv: ['--intra-op-threads', '0'], env: {} });
    expect(wrong).toThrow(SettingsError);
    expect(wrong).toThrow('setting intraOpThreads (--intra-op-threads, BMS_INTRA_OP_THREADS) is "0"');
  });
});

describe('what drivers are told', () => {
  it('is read from the environment', () => {
    const env = { CUDA_VISIBLE_DEVICES: '1', VK_ICD_FILENAMES: '/one.json' };
    expect(loadConfig({ argv: [], env })).toMatchObject({ cudaVisibleDevices: '1', vulkanDriver: '/one.json' });
  });
});

describe('defaultConcurrentRuns', () => {
  it.each([
    [true, 1, 1, 1],
    [true, 2, 1, 1],
    [true, 16, 1, 8],
    [true, 16, 4, 2],
    [true, 16, 64, 1],
    [false, 16, 1, 1],
  ])('on a CPU: %s, with %i cores and %i threads a run: %i', (onCpu, cores, threads, runs) => {
    expect(defaultConcurrentRuns(onCpu, cores, threads)).toBe(runs);
  });
});
