import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { meshService, models } from '@bms/contracts';
import { JsonCodec } from '../http/json-codec';
import { ContractRegistry } from '../openapi/contract-registry';

/** As much of a browser's element as the page uses; it has no way to take markup. */
class FakeElement {
  className = '';
  hidden = false;
  private parts: (FakeElement | string)[] = [];

  get textContent(): string {
    return this.parts.map((part) => (typeof part === 'string' ? part : part.textContent)).join('|');
  }

  set textContent(text: string) {
    this.parts = text === '' ? [] : [text];
  }

  append(...parts: readonly unknown[]): void {
    this.parts.push(...parts.map((part) => (part instanceof FakeElement ? part : String(part))));
  }

  replaceChildren(...parts: readonly unknown[]): void {
    this.parts = [];
    this.append(...parts);
  }
}

const script = readFileSync(join(__dirname, '../../dashboard/dashboard.js'), 'utf8');
const REF = { tenant: 'default', model: '<b>digits</b>', version: 2n };
const STATUS = meshService.GetMeshStatusResponse.create({
  meshId: 'mesh-1',
  store: 'embedded',
  versions: [
    {
      ref: REF,
      state: models.VersionState.PUBLISHED,
      active: true,
      labels: ['stable'],
      wantedReplicas: 2,
      readyReplicas: 1,
      placementNote: 'one worker is full',
      calls: { answered: 1_234n },
    },
  ],
  workers: [
    {
      workerId: 'w-a',
      pid: 42n,
      host: 'desk',
      attached: true,
      replicas: [{ ref: REF, state: models.ReplicaState.FAILED, reason: 'no kernel for <i>Foo</i>' }],
    },
  ],
});

/** The status as the JSON API gives it. */
function statusJson(status = STATUS): unknown {
  const registry = new ContractRegistry();
  const message = registry.files.getMessage('bms.mesh.v1.GetMeshStatusResponse');
  if (message === undefined) throw new Error('the message is not in the descriptor set');
  return new JsonCodec(registry).decode(message, meshService.GetMeshStatusResponse.encode(status).finish());
}

/** Runs the page's script until its first poll is over; answers its elements by id, and when it asks again. */
async function openPage(answer: (path: string) => { readonly ok: boolean; readonly body: unknown }) {
  const elements = new Map<string, FakeElement>();
  const element = (id: string): FakeElement => {
    const found = elements.get(id) ?? new FakeElement();
    elements.set(id, found);
    return found;
  };
  const asked: { readonly path: string; readonly body: unknown }[] = [];
  const pauseMs = await new Promise<number>((resolve) => {
    runInNewContext(script, {
      URLSearchParams,
      location: { search: '?tenant=acme' },
      document: { getElementById: element, createElement: () => new FakeElement() },
      fetch: async (path: string, { body }: { readonly body: string }) => {
        asked.push({ path, body: JSON.parse(body) as unknown });
        const { ok, body: json } = answer(path);
        return { ok, status: ok ? 200 : 503, json: async () => json };
      },
      setTimeout: (_poll: unknown, ms: number) => resolve(ms),
    });
  });
  return { asked, pauseMs, element };
}

describe('the dashboard', () => {
  it('shows the mesh as the JSON API tells it, text as text, and asks again after 2 s', async () => {
    const entry = {
      atMs: '0',
      principal: 'ann@desk',
      method: '/s/ActivateVersion',
      subject: 'default/digits@2',
      outcome: 'OK',
    };
    const { asked, pauseMs, element } = await openPage((path) => ({
      ok: true,
      body: path.includes('Audit') ? { entries: [entry] } : statusJson(),
    }));
    expect(pauseMs).toBe(2_000);
    expect(asked.map(({ path }) => path)).toEqual([
      '/api/v1/MeshService/GetMeshStatus',
      '/api/v1/AdminService/ListAuditEntries',
    ]);
    expect(asked[0]?.body).toEqual({ tenant: 'acme' });
    expect([element('problem').hidden, element('store').hidden]).toEqual([true, true]);
    const versions = element('versions').textContent;
    for (const text of ['<b>digits</b>@2', 'published', 'active', 'stable', '1 of 2', '1,234', 'one worker is full']) {
      expect(versions).toContain(text);
    }
    expect(element('workers').textContent).toContain('no kernel for <i>Foo</i>');
    expect(element('routers').textContent).toBe('No router is connected.');
    expect(element('changes').textContent).toContain('ActivateVersion default/digits@2');
  });

  it('shows registries, what follows them, devices, and a store in doubt as a banner', async () => {
    const { element } = await openPage((path) => ({
      ok: true,
      body: path.includes('Audit')
        ? { entries: [] }
        : statusJson(
            meshService.GetMeshStatusResponse.create({
              store: 'etcd',
              storeStatus: {
                endpoints: ['10.0.0.1:2379'],
                trouble: 'its disk is full',
                doubt: { reason: 'it was <b>wiped</b>', missingVersions: [REF] },
              },
              registries: [
                { registryId: 'r-a', reachable: true, leader: true, revision: 7n },
                { registryId: 'r-b', address: 'b:8700' },
              ],
              routers: [{ routerId: 'x', registryId: 'r-a' }],
              workers: [
                {
                  workerId: 'w-a',
                  attached: true,
                  deviceFailure: 'the device was lost',
                  deviceUse: { memoryTotalBytes: 2n ** 30n, memoryFreeBytes: 2n ** 29n, busyPercent: 40 },
                  replicas: [{ ref: REF, state: models.ReplicaState.READY, provider: 'cpu', fellBack: true }],
                },
              ],
            }),
          ),
    }));
    const banner = element('store');
    expect(banner.hidden).toBe(false);
    for (const text of [
      'in doubt: it was <b>wiped</b>',
      'bms store accept',
      'Missing there: <b>digits</b>@2',
      'its disk is full',
    ]) {
      expect(banner.textContent).toContain(text);
    }
    expect(element('mesh').textContent).toContain('etcd store at 10.0.0.1:2379');
    for (const text of ['r-a', 'reachable', 'leader', 'r-b', 'not reachable', 'b:8700']) {
      expect(element('registries').textContent).toContain(text);
    }
    expect(element('routers').textContent).toContain('r-a');
    for (const text of [
      'device failed',
      'the device was lost',
      '512 MiB of 1.0 GiB free, 40% busy',
      "on cpu, not on the worker's device",
    ]) {
      expect(element('workers').textContent).toContain(text);
    }
  });

  it('says what is wrong when admin cannot answer, and goes on asking', async () => {
    const { pauseMs, element } = await openPage(() => ({
      ok: false,
      body: { error: { message: 'admin reaches no registry' } },
    }));
    expect(pauseMs).toBe(2_000);
    expect(element('problem')).toMatchObject({
      hidden: false,
      textContent: 'What is shown may be old: admin reaches no registry',
    });
  });
});
