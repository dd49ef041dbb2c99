import { type BmsError, models, Reason } from '@bms/contracts';
import { Registry } from '@bms/telemetry';
import { Metadata } from '@bms/transport';
import { Catalog } from './catalog/catalog';
import { RouteTable } from './catalog/route-table';
import { modelRoute, routeSnapshot, workerRoute } from './catalog/routes.testkit';
import { failing, FakeDialer } from './fleet/fake-channel.testkit';
import { Fleet } from './fleet/fleet';
import type { InferCall } from './infer-call';
import { inferCall } from './infer-call.testkit';
import { inferStack, type Infer } from './infer.stack';
import { ByteBudget } from './layers/bound-bytes';
import { ManualClock, settle } from './manual-clock.testkit';
import { CallLog } from './observation/call-log';
import { CallTotals } from './observation/call-totals';
import { RouterMetrics } from './observation/router-metrics';

const TOKEN = 'the-token';

describe('the way of a prediction', () => {
  let clock: ManualClock;
  let dialer: FakeDialer;
  let budget: ByteBudget;
  let totals: CallTotals;
  let registry: Registry;
  let infer: Infer;
  let catalog: Catalog;
  let lines: { level: string; facts: Record<string, unknown> }[];

  beforeEach(() => {
    clock = new ManualClock();
    dialer = new FakeDialer();
    budget = new ByteBudget(20);
    totals = new CallTotals();
    registry = new Registry();
    lines = [];
    catalog = new Catalog();
    const fleet = new Fleet({
      dial: dialer.dial,
      clock,
      random: () => 0,
      callsPerWorker: 10,
      firstConnectionMs: 500,
      observer: { connection: () => {}, ejected: () => {} },
    });
    catalog.onChange((table) => fleet.follow(table));
    const metrics = new RouterMetrics(registry, {
      revision: () => 1,
      workers: () => fleet.size,
      bytesInFlight: () => budget.takenBytes,
    });
    const line = (level: string) => (facts: Record<string, unknown>) => lines.push({ level, facts });
    const logger = { error: line('error'), warn: line('warn'), debug: line('debug') };
    infer = inferStack({
      observe: { clock, metrics, totals, log: new CallLog(logger as never, clock) },
      token: TOKEN,
      catalog,
      budget,
      dispatch: { catalog, fleet, clock, waitLimitMs: 2_000, observer: metrics },
    });
    const digits = modelRoute(
      'digits',
      [
        { version: 1, ready: ['w1'] },
        { version: 2, state: models.VersionState.OFFLINE },
      ],
      { active: 1 },
    );
    const acme = modelRoute('digits', [{ version: 1, ready: ['w1'] }], { active: 1, tenant: 'acme' });
    catalog.replace(RouteTable.of(routeSnapshot(1, [digits, acme], [workerRoute('w1')])));
    dialer.to('w1:1').become('ready');
  });

  const failureOf = async (call: InferCall): Promise<BmsError> =>
    infer(call).then(
      () => {
        throw new Error('it was answered');
      },
      (error: BmsError) => error,
    );
  const credentials = (wish: Partial<InferCall['credentials']>) =>
    inferCall({ credentials: { authorization: undefined, tenant: undefined, principal: undefined, ...wish } });
  const metric = async (name: string): Promise<string[]> =>
    (await registry.metrics()).split('\n').filter((text) => text.startsWith(`${name}{`));

  it("passes OIP's bytes untouched, there and back", async () => {
    const bytes = Buffer.from('the very bytes');
    const { body } = await infer(inferCall({ body: { kind: 'oip', bytes } }));
    expect(dialer.to('w1:1').calls[0]?.request).toBe(bytes);
    expect(Buffer.from(body).toString()).toBe('answer');
  });

  it('writes other protocols as OIP bytes by the signature of the version found, and the answer back', async () => {
    const result = await infer(
      inferCall({
        body: {
          kind: 'foreign',
          toOip: ({ id, signature }) => Buffer.from(`${id} ${signature.inputs[0]?.name}`),
          fromOip: (body) => Buffer.from(`<${Buffer.from(body).toString()}>`),
        },
      }),
    );
    expect(Buffer.from(dialer.to('w1:1').calls[0]?.request ?? []).toString()).toBe('default/digits@1 pixels');
    expect(Buffer.from(result.body).toString()).toBe('<answer>');
  });

  describe('while the routes change', () => {
    const routes = (revision: number, versions: Parameters<typeof modelRoute>[1]): void =>
      catalog.replace(
        RouteTable.of(
          routeSnapshot(
            revision,
            [modelRoute('digits', versions, { active: versions[0]?.version ?? 0 })],
            [workerRoute('w1')],
          ),
        ),
      );

    it('waits for a version that no worker holds since a moment ago', async () => {
      routes(2, [{ version: 1, ready: [] }]);
      const answer = infer(inferCall());
      await settle();
      expect(dialer.to('w1:1').calls).toHaveLength(0);
      routes(3, [{ version: 1, ready: ['w1'] }]);
      expect((await answer).version.id).toBe('default/digits@1');
    });

    it('refuses at once a version that no worker ever held', async () => {
      routes(2, [{ version: 3, ready: [] }]);
      expect((await failureOf(inferCall())).reason).toBe(Reason.NOT_READY);
    });

    it('reaches the successor of a version that went while the call was under way, unless it was asked for by number', async () => {
      routes(2, [{ version: 1, ready: [] }]);
      const active = infer(inferCall());
      const byNumber = failureOf(inferCall({ model: { name: 'digits', selector: { kind: 'version', digits: '1' } } }));
      await settle();
      routes(3, [{ version: 3, ready: ['w1'] }]);
      expect((await active).version.id).toBe('default/digits@3');
      expect((await byNumber).reason).toBe(Reason.VERSION_NOT_FOUND);
    });
  });

  describe('who asks', () => {
    it('is anonymous and of the tenant default without credentials', async () => {
      const call = inferCall();
      await infer(call);
      expect(call.progress).toMatchObject({ tenant: 'default', principal: 'anonymous' });
    });

    it('may name a tenant', async () => {
      const call = credentials({ tenant: 'acme' });
      const { version } = await infer(call);
      expect(version.id).toBe('acme/digits@1');
    });

    it('may speak for somebody with the service token only', async () => {
      const spoken = credentials({ authorization: `Bearer ${TOKEN}`, principal: 'lab' });
      await infer(spoken);
      expect(spoken.progress.principal).toBe('lab');
      const unproven = credentials({ principal: 'lab' });
      await infer(unproven);
      expect(unproven.progress.principal).toBe('anonymous');
    });

    it('is refused with credentials that nobody knows', async () => {
      expect((await failureOf(credentials({ authorization: 'Bearer wrong' }))).reason).toBe(Reason.UNAUTHENTICATED);
      expect((await failureOf(credentials({ tenant: 'no/such' }))).reason).toBe(Reason.INVALID_REQUEST);
      expect(dialer.to('w1:1').calls).toHaveLength(0);
    });
  });

  describe('bytes in flight', () => {
    it('are bounded, with a retry hint, and given back', async () => {
      let answer = (_: Buffer): void => {};
      dialer.to('w1:1').answer = () => new Promise((resolve) => (answer = resolve));
      const first = infer(inferCall({ body: { kind: 'oip', bytes: Buffer.alloc(12) } }));
      await settle();
      expect(budget.takenBytes).toBe(12);
      expect(await failureOf(inferCall({ body: { kind: 'oip', bytes: Buffer.alloc(9) } }))).toMatchObject({
        reason: Reason.OVERLOADED,
        retryAfterMs: 100,
      });
      answer(Buffer.from(''));
      await first;
      expect(budget.takenBytes).toBe(0);
    });

    it('are given back when the call fails', async () => {
      dialer.to('w1:1').answer = failing(Reason.MODEL_FAILED);
      await failureOf(inferCall());
      expect(budget.takenBytes).toBe(0);
    });
  });

  describe('what is told of a call', () => {
    const totalsOf = (): unknown[] =>
      totals.toMessage().versions.map(({ ref, workerId, calls }) => [ref?.version, workerId, calls]);

    it('names the request in every error', async () => {
      const failure = await failureOf(
        inferCall({ requestId: 'abc', model: { name: 'nope', selector: { kind: 'active' } } }),
      );
      expect(failure.facts).toMatchObject({ requestId: 'abc', model: 'nope' });
    });

    it('hides what is ours to know behind INTERNAL, and logs it', async () => {
      dialer.to('w1:1').answer = () => {
        throw new TypeError('a secret of ours');
      };
      const failure = await failureOf(inferCall());
      expect(failure).toMatchObject({ reason: Reason.INTERNAL, message: 'an internal error' });
      expect(lines.map(({ level }) => level)).toEqual(['error']);
      expect(lines[0]?.facts).toMatchObject({ requestId: 'r-1', err: { message: 'a secret of ours' } });
    });

    it('counts each call once, by its final outcome', async () => {
      await infer(inferCall());
      await infer(inferCall());
      dialer.to('w1:1').answer = failing(Reason.INVALID_TENSOR);
      await failureOf(inferCall());
      dialer.to('w1:1').answer = failing(Reason.MODEL_FAILED);
      await failureOf(inferCall());
      dialer.to('w1:1').answer = failing(Reason.CANCELLED);
      await failureOf(inferCall());
      await failureOf(inferCall({ model: { name: 'digits', selector: { kind: 'version', digits: '2' } } }));
      await failureOf(inferCall({ model: { name: 'nope', selector: { kind: 'active' } } }));
      expect(totalsOf()).toEqual([
        [1n, 'w1', { answered: 2n, failed: 1n, rejected: 1n }],
        [2n, '', { answered: 0n, failed: 0n, rejected: 1n }],
      ]);
    });

    it('counts a call that was answered elsewhere as answered, there', async () => {
      dialer.to('w1:1').answer = ({ options }) => {
        options.onTrailers?.(new Metadata());
        return Buffer.from('');
      };
      await infer(inferCall());
      expect(totalsOf()).toEqual([[1n, 'w1', { answered: 1n, failed: 0n, rejected: 0n }]]);
    });

    it('has metrics by tenant, model, version and outcome, without labels that callers make up', async () => {
      await infer(inferCall());
      await infer(credentials({ tenant: 'acme' }));
      await failureOf(inferCall({ model: { name: 'made-up', selector: { kind: 'active' } } }));
      expect(await metric('bms_router_requests_total')).toEqual([
        'bms_router_requests_total{protocol="oip-grpc",tenant="default",model="digits",version="1",outcome="OK"} 1',
        'bms_router_requests_total{protocol="oip-grpc",tenant="acme",model="digits",version="1",outcome="OK"} 1',
        'bms_router_requests_total{protocol="oip-grpc",tenant="",model="",version="",outcome="MODEL_NOT_FOUND"} 1',
      ]);
      expect(await metric('bms_router_picks_total')).toEqual(['bms_router_picks_total{worker="w1"} 2']);
      expect(await registry.getSingleMetricAsString('bms_router_in_flight')).toContain('bms_router_in_flight 0');
    });

    it('warns of failures at most once a second and reason, and says how many it left out', async () => {
      dialer.to('w1:1').answer = failing(Reason.MODEL_FAILED);
      for (let call = 0; call < 5; call++) await failureOf(inferCall());
      expect(lines.map(({ level }) => level)).toEqual(['warn']);
      await clock.advance(1_000);
      await failureOf(inferCall());
      expect(lines[1]?.facts).toMatchObject({ omitted: 4, reason: 'MODEL_FAILED', version: 'default/digits@1' });
    });

    it("tells of a caller's own mistakes at debug only", async () => {
      dialer.to('w1:1').answer = failing(Reason.INVALID_TENSOR);
      await failureOf(inferCall());
      expect(lines.map(({ level }) => level)).toEqual(['debug']);
    });
  });
});
