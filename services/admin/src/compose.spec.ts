import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StartError, type RunningService } from '@bms/lifecycle';
import { startAdmin } from './compose';
import { loadConfig } from './config';

describe('startAdmin', () => {
  const data = mkdtempSync(join(tmpdir(), 'bms-admin-'));
  afterAll(() => rmSync(data, { recursive: true }));

  const start = (...flags: string[]): Promise<RunningService> => {
    const ports = ['--grpc-port=0', '--http-port=0', '--operations-port=0', '--log-level=error'];
    const argv = ['--data', data, '--registry', '127.0.0.1:1', ...ports, ...flags];
    return startAdmin(loadConfig({ argv, env: {} }));
  };

  it.each(['grpc-port', 'http-port', 'operations-port'])(
    'names the setting of a port that is taken, and lets go of its folder: %s',
    async (setting) => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const refused = start(`--${setting}=${port}`);
      await expect(refused).rejects.toBeInstanceOf(StartError);
      await expect(refused).rejects.toThrow(new RegExp(`port ${port} on 127.0.0.1 is taken.*--${setting} \\(BMS_`));
      server.close();
      const service = await start();
      await service.stop(AbortSignal.timeout(1_000));
    },
  );
});
