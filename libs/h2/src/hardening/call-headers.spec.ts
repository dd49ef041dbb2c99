import { clientStreamId } from '../testkit/attack';
import { Random } from '../testkit/random';
import { rawCall } from '../testkit/raw-call';
import type { RawPeer } from '../testkit/raw-peer';
import { Target, TargetPath } from '../testkit/target';

// gRPC's own headers: grpc-timeout, binary metadata.

let target: Target;
let peer: RawPeer;

beforeEach(async () => {
  target = await Target.start();
  peer = await target.open([], { credits: 'lots' });
});

afterEach(async () => {
  await peer.close();
  await target.close();
  expect(target.internalErrors).toEqual([]);
});

describe('grpc-timeout', () => {
  const remaining = async (timeout: string): Promise<number | string> => {
    const { status, messages } = await rawCall(peer, 1, TargetPath.TIMEOUT, '', ['grpc-timeout', timeout]);
    return status === '0' ? Number(String(messages)) : `status ${status}`;
  };

  test.each([
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['30S', 30_000],
    ['5000m', 5_000],
    ['9000000u', 9_000],
    ['99999999n', 100],
    ['00000010S', 10_000],
    // Longer than an hour is an hour.
    ['99999999H', 3_600_000],
    ['100000S', 3_600_000],
  ])('%s is %i ms', async (timeout, expectedMs) => {
    const leftMs = await remaining(timeout);
    expect(leftMs).toBeLessThanOrEqual(expectedMs + 1);
    expect(leftMs).toBeGreaterThan(expectedMs - 2_000);
  });

  test.each([
    '',
    'S',
    '1',
    '1s',
    '1X',
    '-1S',
    '+1S',
    '1.5S',
    '1e3S',
    '0x1S',
    '123456789S',
    '1SS',
    ' 1S',
    '1 S',
    'NaNS',
    '∞S',
  ])('“%s” is refused, and no handler runs', async (timeout) => {
    const text = Buffer.from(timeout).toString('latin1');
    const { status, reset } = await rawCall(peer, 1, TargetPath.TIMEOUT, '', ['grpc-timeout', text]);
    expect(reset === undefined ? status : 'reset').toMatch(/^(3|13|reset)$/); // INVALID_ARGUMENT or INTERNAL
    expect(target.begun).toBe(0);
  });

  test('that has passed ends the call with DEADLINE_EXCEEDED, and its handler is told', async () => {
    const { status } = await rawCall(peer, 1, TargetPath.HOLD, '', ['grpc-timeout', '20m']);
    expect(status).toBe('4');
    expect(target.aborted).toBe(1);
  });

  test('of nothing at all is DEADLINE_EXCEEDED', async () => {
    expect((await rawCall(peer, 1, TargetPath.HOLD, '', ['grpc-timeout', '0m'])).status).toBe('4');
    expect((await rawCall(peer, 3, TargetPath.HOLD, '', ['grpc-timeout', '1n'])).status).toBe('4');
  });

  test('of any bytes is either understood or refused', async () => {
    const random = new Random(7);
    const characters = [...'0123456789HMSmun+-. eE\u00e4'];
    for (let i = 0; i < 3_000; i += 1) {
      const timeout = Array.from({ length: random.below(11) }, () => random.pick(characters))
        .join('')
        .trim();
      const answer = await rawCall(peer, clientStreamId(i), TargetPath.TIMEOUT, '', ['grpc-timeout', timeout]);
      const understood = /^[0-9]{1,8}[HMSmun]$/.test(timeout);
      if (understood ? !['0', '4'].includes(answer.status ?? '') : answer.status === '0') {
        throw new Error(`“${timeout}” was answered with ${answer.status ?? answer.reset}`);
      }
    }
  });
});

describe('binary metadata', () => {
  const sent = async (streamId: number, ...fields: readonly string[]): Promise<[string, string][] | string> => {
    const { status, messages } = await rawCall(peer, streamId, TargetPath.METADATA, '', fields);
    return status === '0' ? (JSON.parse(String(messages)) as [string, string][]) : `status ${status}`;
  };

  test.each([
    ['without padding', 'AP8H', ['AP8H']],
    ['without padding that others would write', 'AP8', ['AP8=']],
    ['with padding', 'AP8=', ['AP8=']],
    ['that is empty', '', ['']],
    ['of several values with a comma', 'AA,Ag==,Aw', ['AA==', 'Ag==', 'Aw==']],
  ])('%s is bytes', async (_name, value, expected) => {
    const metadata = await sent(1, 'x-bin', value);
    expect((metadata as [string, string][]).filter(([name]) => name === 'x-bin').map(([, bytes]) => bytes)).toEqual(
      expected,
    );
  });

  test('of any characters never breaks anything', async () => {
    const random = new Random(11);
    for (let i = 0; i < 2_000; i += 1) {
      const value = random.text(random.below(40));
      const metadata = await sent(clientStreamId(i), 'x-bin', value);
      if (typeof metadata === 'string' && !/^status (3|13)$/.test(metadata)) throw new Error(`“${value}”: ${metadata}`);
    }
  });
});
