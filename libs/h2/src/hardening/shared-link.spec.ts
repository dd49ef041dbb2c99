import { BmsError } from '@bms/contracts';
import { Metadata } from '@bms/transport';
import { H2Channel } from '../client/h2-channel';
import { MESH_LIMITS } from '../limits';
import { clientStreamId, opening } from '../testkit/attack';
import { grpcMessage } from '../testkit/grpc-request';
import { answerOn, rawCall } from '../testkit/raw-call';
import { dataFrame } from '../testkit/raw-frame';
import { Target, TargetPath } from '../testkit/target';

// Many callers' calls on one connection, as between a router and a worker; and many connections on one thread.

let target: Target;

afterEach(async () => {
  await target.close();
  expect(target.internalErrors).toEqual([]);
});

describe('two callers on one connection, one of them hostile', () => {
  test('never see each other’s headers: a million of them compared byte by byte', async () => {
    target = await Target.start({ limits: MESH_LIMITS });
    const channel = new H2Channel(`127.0.0.1:${target.port}`);
    let done = false;
    let attacks = 0;
    const hostile = async (): Promise<void> => {
      for (let i = 0; !done; i += 1) {
        attacks += 1;
        await channel.unary(TargetPath.ECHO, Buffer.from('x'), { metadata: hostileMetadata(i) }).catch(expectBmsError);
      }
    };
    let headers = 0;
    const honest = async (caller: number): Promise<void> => {
      while (headers < 1_000_000) {
        const sent = honestMetadata(caller, headers);
        const answer = await channel.unary(TargetPath.METADATA, Buffer.from(''), { metadata: sent });
        const came = new Map(JSON.parse(Buffer.from(answer).toString()) as [string, string][]);
        for (const [name, value] of sent.entries()) {
          headers += 1;
          const expected = typeof value === 'string' ? value : Buffer.from(value).toString('base64');
          if (came.get(name) !== expected) throw new Error(`${name} was ${expected} and came as ${came.get(name)}`);
        }
        if ([...came.values()].some((value) => value.includes('hostile')))
          throw new Error('another’s header came along');
      }
    };
    const attack = Promise.all(Array.from({ length: 4 }, hostile));
    await Promise.all(Array.from({ length: 16 }, (_, caller) => honest(caller)));
    done = true;
    await attack;
    expect(attacks).toBeGreaterThan(1_000);
    expect(target.callers.size).toBe(1); // all of it on one connection
    channel.close();
  }, 120_000);
});

test('a storm of 3,500 cancelled calls does not break the connection that they share with others', async () => {
  target = await Target.start({ limits: MESH_LIMITS });
  const channel = new H2Channel(`127.0.0.1:${target.port}`);
  let calm = false;
  let calls = 0;
  const neighbour = (async () => {
    for (; !calm; calls += 1) await channel.unary(TargetPath.ECHO, Buffer.from('x'));
  })();
  for (let wave = 0; wave < 7; wave += 1) {
    const abort = new AbortController();
    const held = Array.from({ length: 500 }, () =>
      channel.unary(TargetPath.HOLD, Buffer.from('x'), { signal: abort.signal }).catch(expectBmsError),
    );
    while (target.running < 500) await new Promise((resolve) => setImmediate(resolve));
    abort.abort();
    await Promise.all(held);
    while (target.running > 1) await new Promise((resolve) => setImmediate(resolve));
  }
  calm = true;
  await neighbour;
  expect(target.aborted).toBe(3_500);
  expect(target.callers.size).toBe(1);
  expect(calls).toBeGreaterThan(10);
  channel.close();
});

test('a caller who sends a thousand requests at once does not hold up a neighbour who sends one', async () => {
  target = await Target.start({ limits: { concurrentStreams: 2_000 } });
  const [hog, neighbour] = [await target.open(), await target.open()];
  await rawCall(neighbour, 1, TargetPath.ECHO, 'here');
  const begun = target.begun;
  const requests = Array.from({ length: 1_000 }, (_, i) =>
    Buffer.concat([
      opening(clientStreamId(i), TargetPath.DEAF),
      dataFrame(clientStreamId(i), grpcMessage('x'), { end: true }),
    ]),
  );
  hog.send(...requests);
  await hog.flushed();
  expect(String((await rawCall(neighbour, 3, TargetPath.ECHO, 'in between')).messages)).toBe('in between');
  expect(target.begun - begun).toBeLessThan(500);
  target.letGo();
  expect((await answerOn(hog, clientStreamId(10))).status).toBe('0');
  await Promise.all([hog.close(), neighbour.close()]);
});

function honestMetadata(caller: number, count: number): Metadata {
  const metadata = new Metadata();
  for (let i = 0; i < 40; i += 1)
    metadata.set(`x-${i % 20 === 0 ? 'shared' : `honest-${caller}`}-${i}`, `value ${caller} ${count} ${i}`);
  for (let i = 0; i < 10; i += 1) metadata.set(`x-${i}-bin`, Buffer.from(`bytes ${caller} ${count} ${i}`));
  return metadata;
}

/** Names that others use, lists over every limit, values that fill tables. */
function hostileMetadata(i: number): Metadata {
  const metadata = new Metadata();
  const fields = [1, 60, 120, 30][i % 4] ?? 1;
  const bytes = [4_000, 20, 10, 600][(i >> 2) % 4] ?? 10;
  for (let at = 0; at < fields; at += 1)
    metadata.set(`x-shared-${at * (i % 3)}`, `hostile ${i} ${at} `.padEnd(bytes, 'h') + '.');
  return metadata.set('bms-tenant', `hostile ${i}`).set('x-0-bin', Buffer.from(`hostile ${i}`));
}

function expectBmsError(error: unknown): void {
  if (!(error instanceof BmsError)) throw error;
}
