import { listenFailure } from '@bms/transport';
import { listening } from './listening';
import { StartError } from './run-service';

describe('listening', () => {
  const address = { host: '127.0.0.1', port: 8501 };
  const failing = (code: string) => async (): Promise<number> => {
    throw listenFailure(Object.assign(new Error(`listen ${code}`), { code }), address);
  };

  it('gives the port', async () => {
    expect(await listening('grpcPort', async () => 8500)).toBe(8500);
  });

  it.each([
    [
      'EADDRINUSE',
      'port 8501 on 127.0.0.1 is taken by another process: stop that process, or choose another port with --rest-port (BMS_REST_PORT)',
    ],
    ['EADDRNOTAVAIL', '127.0.0.1 is not an address of this machine (EADDRNOTAVAIL): see --rest-port (BMS_REST_PORT)'],
  ])('says what to do about %s', async (code, sentence) => {
    await expect(listening('restPort', failing(code))).rejects.toMatchObject({
      name: StartError.name,
      message: sentence,
    });
  });
});
