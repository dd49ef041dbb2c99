import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Reason } from '@bms/contracts';
import { configFields, readVersionConfig } from './version-config';

describe('readVersionConfig', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bms-config-'));
  const file = join(folder, 'serve.json');
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each([
    ['{}', {}],
    [
      '{"replicas": 3, "intraOpThreads": 4, "graphOptimization": "basic"}',
      { replicas: 3, intraOpThreads: 4, graphOptimization: 'basic' },
    ],
    ['{"device": "gpu", "fallback": "cpu"}', { device: 'gpu', fallback: 'cpu' }],
    ['{"batching": {"mode": "off"}, "executors": 2}', { batching: { mode: 'off' }, executors: 2 }],
    [
      '{"providerOptions": {"webgpu": {"preferredLayout": "NHWC"}}}',
      { providerOptions: { webgpu: { preferredLayout: 'NHWC' } } },
    ],
  ])('reads %s', async (text, config) => {
    writeFileSync(file, text);
    await expect(readVersionConfig(file)).resolves.toEqual(config);
  });

  it.each([
    ['{"replica": 3}', '"replica" is no key: allowed are replicas, intraOpThreads, graphOptimization'],
    ['{"replicas": "3"}', 'replicas is "3": allowed is a whole number, 0'],
    ['{"replicas": -1}', 'replicas is -1: allowed is'],
    ['{"intraOpThreads": 1.5}', 'intraOpThreads is 1.5: allowed is'],
    [
      '{"graphOptimization": "max"}',
      'graphOptimization is "max": allowed is one of "disabled", "basic", "extended", "all"',
    ],
    ['{"device": "tpu"}', 'device is "tpu": allowed is one of "gpu", "cpu", "cuda"'],
    ['{"fallback": "gpu"}', 'fallback is "gpu": allowed is one of "cpu"'],
    ['{"providerOptions": {"webgpu": {"a": 1}}}', 'providerOptions is {"webgpu":{"a":1}}: allowed is options (texts'],
    ['{"providerOptions": {"abacus": {}}}', 'providers are cpu, cuda'],
    ['{"executors": -1}', 'executors is -1: allowed is a whole number, 0 (what the worker measures) to 64'],
    ['{"batching": true}', 'batching is true: allowed is an object with any of mode'],
    ['{"batching": {"mode": "yes"}}', 'mode (one of "on", "off")'],
    ['{"batching": {"maxRow": 8}}', 'batching is {"maxRow":8}: allowed is an object'],
    ['{"batching": {"preferredRows": [0]}}', 'preferredRows (at most 16 sizes from 1 to 4096)'],
    ['[]', 'must be a JSON object with replicas,'],
    ['null', 'must be a JSON object'],
    ['{"replicas": NaN}', 'cannot be read as JSON'],
    ['', 'cannot be read as JSON'],
  ])('refuses %s, names the key and says what is allowed', async (text, sentence) => {
    writeFileSync(file, text);
    await expect(readVersionConfig(file)).rejects.toMatchObject({
      reason: Reason.INVALID_CONFIG,
      message: expect.stringContaining(sentence) as unknown,
    });
    await expect(readVersionConfig(file)).rejects.toThrow('serve.json');
  });

  it('says that a file is not there', async () => {
    await expect(readVersionConfig(join(folder, 'none.json'))).rejects.toMatchObject({ reason: Reason.INVALID_CONFIG });
  });

  it('gives the contract what was written, and nothing else', () => {
    const providerOptions = { cuda: { fpa_intb_gemm: '1' } };
    expect(configFields({ device: 'gpu', providerOptions })).toEqual({
      device: 'gpu',
      providerOptions: { cuda: { options: { fpa_intb_gemm: '1' } } },
    });
    expect(configFields({})).toEqual({});
    expect(configFields({ executors: 2, batching: { preferredRows: [8] } })).toEqual({
      executors: 2,
      batching: { mode: '', maxRows: 0, preferredRows: [8], maxDelayMs: 0, maxQueueMs: 0 },
    });
  });
});
