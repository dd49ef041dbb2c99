import { SettingsError } from '@bms/settings';
import { loadConfig } from './config';

const load = (...argv: string[]) => loadConfig({ argv, env: {} });

describe('the settings of a router', () => {
  it('have defaults that the documented ports follow from', () => {
    expect(load()).toMatchObject({
      state: '.bms/routers/0',
      grpcPort: 8500,
      restPort: 8501,
      operationsPort: 8502,
      registry: ['127.0.0.1:8700'],
      messageLimit: 64 * 2 ** 20,
      bytesInFlightLimit: 512 * 2 ** 20,
      deadlineMs: 60_000,
      waitMs: 10_000,
    });
  });

  it('keep the state in the data folder unless told otherwise', () => {
    expect(load('--data', '/mesh').state).toBe('/mesh/routers/0');
    expect(load('--data', '/mesh', '--state', '/elsewhere').state).toBe('/elsewhere');
  });

  it.each([
    ['a flag that does not exist', ['--rest-prot', '1'], '--rest-prot'],
    ['a port that is none', ['--rest-port', 'x'], 'setting restPort (--rest-port, BMS_REST_PORT) is "x"'],
    ['no registry', ['--registry='], 'setting registry (--registry, BMS_REGISTRY) is "": allowed is one text or more'],
    [
      'less room for all requests than one takes in both its forms',
      ['--message-limit', '2GiB'],
      'setting bytesInFlightLimit (--bytes-in-flight-limit, BMS_BYTES_IN_FLIGHT_LIMIT) is 536870912: allowed is twice messageLimit (2147483648) or more',
    ],
  ])('refuse %s', (_name, argv, sentence) => {
    expect(() => load(...argv)).toThrow(SettingsError);
    expect(() => load(...argv)).toThrow(sentence);
  });
});
