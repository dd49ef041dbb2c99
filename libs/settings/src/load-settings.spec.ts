import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { HelpWanted, loadSettings, setting, SettingsError } from '.';

const schema = z.object({
  grpcPort: setting.port(8500),
  dataDir: setting.text('.bms'),
  insecure: setting.flag(false),
  messageLimit: setting.bytes(64),
  providers: setting.list(['cpu']),
});

describe('loadSettings', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bms-settings-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = (content: unknown): string => {
    const path = join(folder, `${Math.random()}.json`);
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  };

  it('takes a flag before the environment, that before the file, and that before the default', () => {
    const config = file({ router: { grpcPort: 1, dataDir: 'from-file', messageLimit: '2MiB' } });
    const settings = loadSettings('router', schema, {
      argv: ['--config', config, '--grpc-port', '3', '--insecure'],
      env: { BMS_GRPC_PORT: '2', BMS_PROVIDERS: 'cpu, webgpu' },
    });
    expect(settings).toEqual({
      grpcPort: 3,
      dataDir: 'from-file',
      insecure: true,
      messageLimit: 2 * 2 ** 20,
      providers: ['cpu', 'webgpu'],
    });
  });

  it.each(['--help', '-h'])('lists what can be set, with its defaults, for %s', (flag) => {
    const load = (): unknown => loadSettings('router', schema, { argv: ['--data-dir', 'x', flag], env: {} });
    expect(load).toThrow(HelpWanted);
    expect(load).toThrow(/^Usage: bms router .*\n {2}--grpc-port +\(default: 8500\)\n.*npx bms router/s);
  });

  it('takes --name=value and --no-name', () => {
    const settings = loadSettings('router', schema, { argv: ['--data-dir=a b', '--no-insecure'], env: {} });
    expect(settings).toMatchObject({ dataDir: 'a b', insecure: false });
  });

  it.each([
    ['an unknown flag', ['--grpc-prot', '1'], {}, '--grpc-prot'],
    [
      'a port out of range',
      ['--grpc-port', '70000'],
      {},
      'setting grpcPort (--grpc-port, BMS_GRPC_PORT) is "70000": allowed is a port, 0 to 65535',
    ],
    ['a port that is no number', [], { BMS_GRPC_PORT: 'abc' }, 'is "abc": allowed is a port'],
    ['a flag that is neither true nor false', ['--insecure', 'maybe'], {}, 'allowed is true or false'],
    [
      'an empty list',
      ['--providers='],
      {},
      'setting providers (--providers, BMS_PROVIDERS) is "": allowed is one text or more, separated by commas',
    ],
    ['a list with a hole', [], { BMS_PROVIDERS: 'cpu,,webgpu' }, 'is "cpu,,webgpu": allowed is one text or more'],
    ['a size with a wrong unit', ['--message-limit', '5MB'], {}, 'allowed is bytes, such as'],
  ])('names the setting, its value and what is allowed: %s', (_name, argv, env, sentence) => {
    expect(() => loadSettings('router', schema, { argv, env })).toThrow(SettingsError);
    expect(() => loadSettings('router', schema, { argv, env })).toThrow(sentence);
  });

  it.each([
    ['an unknown key', { router: { port: 1 } }, 'unknown key "router.port": allowed are grpcPort'],
    ['an unknown section', { rooter: {} }, 'unknown section "rooter"'],
    ['a wrong value', { router: { grpcPort: 'x' } }, 'setting grpcPort'],
    [
      'an empty list',
      { router: { providers: [] } },
      'setting providers (--providers, BMS_PROVIDERS) is []: allowed is one text',
    ],
    ['a list of something else', { router: { providers: [1] } }, 'allowed is one text or more, separated by commas'],
    ['no JSON', '{', 'cannot be read'],
    ['a list', [], 'must be a JSON object'],
  ])('refuses a file with %s', (_name, content, sentence) => {
    expect(() => loadSettings('router', schema, { argv: ['--config', file(content)], env: {} })).toThrow(sentence);
  });
});
