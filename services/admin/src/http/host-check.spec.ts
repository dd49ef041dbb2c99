import { isOwnHost, ownNames } from './host-check';

describe('isOwnHost', () => {
  const names = ownNames('127.0.0.1', 'bms.example.org');
  it.each(['localhost', 'LOCALHOST:8601', '127.0.0.1:8601', '[::1]:8601', '10.1.2.3', 'bms.example.org:80'])(
    'takes %s',
    (header) => {
      expect(isOwnHost(header, names)).toBe(true);
    },
  );
  it.each([
    undefined,
    '',
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example:8601',
    'localhost:8601:1',
    'a b',
  ])('refuses %p', (header) => {
    expect(isOwnHost(header, names)).toBe(false);
  });
});
