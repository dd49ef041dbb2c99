import { health, Reason } from '@bms/contracts';
import type { ServerCall } from './call';
import { HealthService } from './health.handler';
import { Metadata } from './metadata';

const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = health.HealthCheckResponse_ServingStatus;

function callWith(signal: AbortSignal): ServerCall {
  return {
    path: '/grpc.health.v1.Health/Watch',
    metadata: new Metadata(),
    trailers: new Metadata(),
    deadlineMs: undefined,
    peer: 'test',
    signal,
    cancel: signal,
  };
}

function ask(service: string): Uint8Array {
  return health.HealthCheckRequest.encode({ service }).finish();
}

async function check(subject: HealthService, service: string): Promise<health.HealthCheckResponse_ServingStatus> {
  const route = subject.routes().get('/grpc.health.v1.Health/Check');
  if (route?.kind !== 'unary') throw new Error('Check is unary');
  const answer = await route.handle(ask(service), callWith(new AbortController().signal));
  return health.HealthCheckResponse.decode(answer).status;
}

function watch(subject: HealthService, service: string, signal: AbortSignal): AsyncIterator<Uint8Array> {
  const route = subject.routes().get('/grpc.health.v1.Health/Watch');
  if (route?.kind !== 'stream') throw new Error('Watch streams');
  async function* requests(): AsyncIterable<Uint8Array> {
    yield ask(service);
  }
  return route.handle(requests(), callWith(signal))[Symbol.asyncIterator]();
}

async function next(watching: AsyncIterator<Uint8Array>): Promise<health.HealthCheckResponse_ServingStatus | 'end'> {
  const result: IteratorResult<Uint8Array, unknown> = await watching.next();
  return result.done === true ? 'end' : health.HealthCheckResponse.decode(result.value).status;
}

describe('Check', () => {
  test('says NOT_SERVING for the whole server until it is said to serve', async () => {
    const subject = new HealthService();
    expect(await check(subject, '')).toBe(NOT_SERVING);
    subject.setServing(true);
    expect(await check(subject, '')).toBe(SERVING);
  });

  test('keeps services apart and refuses an unknown one', async () => {
    const subject = new HealthService();
    subject.setServing(true, 'a.B');
    expect(await check(subject, 'a.B')).toBe(SERVING);
    expect(await check(subject, '')).toBe(NOT_SERVING);
    await expect(check(subject, 'c.D')).rejects.toMatchObject({
      reason: Reason.MODEL_NOT_FOUND,
      message: expect.stringContaining('a.B') as string,
    });
  });
});

describe('Watch', () => {
  test('tells the present status and each change, also of a service that becomes known', async () => {
    const subject = new HealthService();
    const watching = watch(subject, 'a.B', new AbortController().signal);
    expect(await next(watching)).toBe(SERVICE_UNKNOWN);
    subject.setServing(true, 'a.B');
    subject.setServing(true, 'a.B');
    subject.setServing(true, 'another');
    subject.setServing(false, 'a.B');
    expect(await next(watching)).toBe(SERVING);
    expect(await next(watching)).toBe(NOT_SERVING);
  });

  test('ends when the caller is gone', async () => {
    const subject = new HealthService();
    const caller = new AbortController();
    const watching = watch(subject, '', caller.signal);
    expect(await next(watching)).toBe(NOT_SERVING);
    const waiting = next(watching);
    caller.abort();
    expect(await waiting).toBe('end');
  });

  test('says NOT_SERVING and ends when the service is closed, also for those who come later', async () => {
    const subject = new HealthService();
    subject.setServing(true);
    const watching = watch(subject, '', new AbortController().signal);
    expect(await next(watching)).toBe(SERVING);
    subject.close();
    expect(await next(watching)).toBe(NOT_SERVING);
    expect(await next(watching)).toBe('end');
    const late = watch(subject, '', new AbortController().signal);
    expect(await next(late)).toBe(NOT_SERVING);
    expect(await next(late)).toBe('end');
  });
});
