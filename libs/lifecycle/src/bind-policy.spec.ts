import { advertisedHost } from './bind-policy';

describe('advertisedHost', () => {
  it.each([
    ['127.0.0.1', false, undefined, '127.0.0.1'],
    ['localhost', false, undefined, 'localhost'],
    ['::1', false, undefined, '::1'],
    ['10.0.0.5', true, undefined, '10.0.0.5'],
    ['0.0.0.0', true, '10.0.0.5', '10.0.0.5'],
  ])('tells others of host %s (insecure: %s, advertise: %s) as %s', (host, insecure, advertise, told) => {
    expect(advertisedHost({ host, insecure, advertise })).toBe(told);
  });

  it.each([
    ['an address beyond loopback', '10.0.0.5', false, '--insecure'],
    ['a wildcard', '0.0.0.0', false, '--insecure'],
    ['a wildcard without an address to tell', '::', true, '--advertise'],
  ])('refuses %s and names the setting', (_name, host, insecure, flag) => {
    expect(() => advertisedHost({ host, insecure })).toThrow(flag);
  });
});
