import { PortTakenError } from '@bms/transport';
import { createMetrics, Counter } from './metrics';
import { OperationsServer, type Readiness } from './operations-server';

describe('OperationsServer', () => {
  let readiness: Readiness = { ready: true };
  const metrics = createMetrics('test');
  const calls = new Counter({ name: 'bms_test_calls_total', help: 'calls', registers: [metrics] });
  const server = new OperationsServer({ host: '127.0.0.1', port: 0, metrics, readiness: () => readiness });
  let base: string;
  beforeAll(async () => (base = `http://127.0.0.1:${await server.listen()}`));
  afterAll(() => server.close());

  it('tells that the process answers', async () => {
    expect(await (await fetch(`${base}/healthz`)).text()).toBe('ok\n');
  });

  it('answers 503 with the reason until the service can do its job', async () => {
    readiness = { ready: false, reason: 'no routes yet' };
    const not = await fetch(`${base}/readyz`);
    expect([not.status, await not.text()]).toEqual([503, 'not ready: no routes yet\n']);
    readiness = { ready: true };
    expect((await fetch(`${base}/readyz`)).status).toBe(200);
  });

  it('gives the metrics as Prometheus reads them, with the name of the service', async () => {
    calls.inc(3);
    const answer = await fetch(`${base}/metrics`);
    expect(answer.headers.get('content-type')).toContain('text/plain');
    const text = await answer.text();
    expect(text).toContain('bms_test_calls_total{service="test"} 3');
    expect(text).toContain('nodejs_eventloop_lag_seconds');
  });

  it('says that its port is taken', async () => {
    const port = Number(new URL(base).port);
    const second = new OperationsServer({ host: '127.0.0.1', port, metrics, readiness: () => readiness });
    await expect(second.listen()).rejects.toThrow(PortTakenError);
  });

  it.each([
    ['/', 'GET', 404],
    ['/healthz', 'POST', 405],
  ])('answers %s by %s with %d', async (path, method, status) => {
    expect((await fetch(base + path, { method })).status).toBe(status);
  });
});
