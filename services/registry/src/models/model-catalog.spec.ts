import { setMaxListeners } from 'node:events';
import { DEFAULT_TENANT, Reason } from '@bms/contracts';
import { OutcomeUnknownError, StoreUnavailableError } from '@bms/metastore';
import { RegistryCore } from '../registry-core.testkit';
import { versionRecord } from '../watch/mesh-builder.testkit';
import type { VersionDraft } from './model-changes';

const key = { tenant: DEFAULT_TENANT, model: 'm' };
const { signal } = new AbortController();
setMaxListeners(0, signal);

let core: RegistryCore;
beforeEach(async () => {
  core = await RegistryCore.open();
});
afterEach(() => core.close());

function draft(requestId = '', digest = '1'): VersionDraft {
  const { artifact, ...rest } = versionRecord('m@1');
  return { ...rest, artifact: { ...artifact, digest: digest.padStart(64, '0') }, requestId };
}

async function register(requestId?: string, digest?: string): Promise<number> {
  return (await core.catalog.register(draft(requestId, digest), 'ann', signal)).version;
}

async function published(...numbers: readonly number[]): Promise<void> {
  for (const number of numbers) {
    expect(await register()).toBe(number);
    await core.catalog.setState(key, number, 'published', false, signal);
  }
  await core.worker('w1', ...numbers.map((number) => [`m@${number}`, 'ready'] as const));
}

const activate = (number: number, timeoutMs = 5_000) => core.catalog.activate(key, number, timeoutMs, 'ann', signal);
const rollBack = (to?: number) => core.catalog.rollBack(key, to, 5_000, 'ann', signal);
const stored = () => core.models.read(key, { versions: 'all' }, signal);

describe('registering', () => {
  it('gives 1, 2, 3, and never a number twice, not even when it was deleted', async () => {
    expect([await register(), await register()]).toEqual([1, 2]);
    await core.catalog.setState(key, 2, 'deleted', false, signal);
    expect(await register()).toBe(3);
  });

  it('gives each of many at once a number of its own', async () => {
    const numbers = await Promise.all(Array.from({ length: 12 }, () => register()));
    expect([...numbers].sort((one, other) => one - other)).toEqual(Array.from({ length: 12 }, (_, at) => at + 1));
    expect((await stored()).model?.latestVersion).toBe(12);
  });

  it('keeps who, when and what in one transaction with the model', async () => {
    await register('r-1');
    const { model, versions } = await stored();
    expect(model).toMatchObject({ name: 'm', latestVersion: 1, createdBy: 'ann', activeVersion: 0 });
    expect(versions.get(1)).toMatchObject({ state: 'registered', createdBy: 'ann', requestId: 'r-1', notes: '' });
    expect(versions.get(1)?.createdAtMs).toBeGreaterThan(1_700_000_000_000);
  });

  it('answers a repeated request with the version that it made', async () => {
    const numbers = await Promise.all([register('r-1'), register('r-1'), register('r-2')]);
    expect(numbers[0]).toBe(numbers[1]);
    expect(new Set(numbers).size).toBe(2);
    expect((await stored()).versions.size).toBe(2);
  });

  it('refuses a request id that was used for other files', async () => {
    await register('r-1', '1');
    await expect(register('r-1', '2')).rejects.toMatchObject({
      reason: Reason.INVALID_REQUEST,
      message: 'request_id: was used for other files, which are version 1',
    });
  });
});

describe('a commit whose outcome is unknown', () => {
  it('is found to have happened, and not made a second time', async () => {
    core.faults.push(async (commit) => {
      await commit();
      throw new OutcomeUnknownError();
    });
    expect(await register()).toBe(1);
    expect((await stored()).versions.size).toBe(1);
  });

  it('is found not to have happened, and made', async () => {
    core.faults.push(() => Promise.reject(new OutcomeUnknownError()));
    expect(await register()).toBe(1);
    expect((await stored()).versions.size).toBe(1);
  });

  it('is decided although others changed the model meanwhile', async () => {
    await register();
    core.faults.push(async (commit) => {
      await commit();
      await register();
      throw new OutcomeUnknownError();
    });
    expect(await register()).toBe(2);
    expect((await stored()).versions.size).toBe(3);
  });

  it('is reported as such when the store cannot be read either', async () => {
    await register();
    core.faults.push(async (commit) => {
      await commit();
      await core.close();
      throw new OutcomeUnknownError();
    });
    await expect(core.catalog.setState(key, 1, 'published', false, signal)).rejects.toMatchObject({
      reason: Reason.OUTCOME_UNKNOWN,
    });
    core = await RegistryCore.open();
  });

  it('does not hide that the store is not there', async () => {
    core.faults.push(() => Promise.reject(new StoreUnavailableError('gone')));
    await expect(register()).rejects.toBeInstanceOf(StoreUnavailableError);
  });
});

it('gives up with CONFLICT when others keep changing the model', async () => {
  await register();
  const nobody = { succeeded: false, revision: 1n };
  for (let at = 0; at < 50; at++) core.faults.push(() => Promise.resolve(nobody));
  await expect(register()).rejects.toMatchObject({ reason: Reason.CONFLICT });
  core.faults.length = 0;
  expect((await stored()).versions.size).toBe(1);
});

describe('states', () => {
  it('says what is missing', async () => {
    await expect(core.catalog.setState(key, 1, 'published', false, signal)).rejects.toMatchObject({
      reason: Reason.MODEL_NOT_FOUND,
    });
    await register();
    await expect(core.catalog.setState(key, 2, 'published', false, signal)).rejects.toMatchObject({
      reason: Reason.VERSION_NOT_FOUND,
      message: 'there is no version default/m@2',
    });
    await core.catalog.setState(key, 1, 'deleted', false, signal);
    await expect(core.catalog.setState(key, 1, 'published', false, signal)).rejects.toMatchObject({
      reason: Reason.VERSION_NOT_FOUND,
      message: 'default/m@1 was deleted',
    });
    expect((await core.catalog.setState(key, 1, 'deleted', false, signal)).state).toBe('deleted');
  });

  it('refuses an illegal move with what to do instead', async () => {
    await register();
    await expect(core.catalog.setState(key, 1, 'offline', false, signal)).rejects.toMatchObject({
      reason: Reason.ILLEGAL_TRANSITION,
      message:
        'default/m@1 is registered and cannot become offline: it was never published, so there is nothing to take offline',
    });
  });

  it('takes what is in use offline only by force, and then clears what reached it in the same transaction', async () => {
    await published(1, 2);
    await activate(1);
    await core.catalog.setLabel(key, 'stable', 1, 5_000, signal);
    await core.catalog.setLabel(key, 'canary', 2, 5_000, signal);
    await expect(core.catalog.setState(key, 1, 'offline', false, signal)).rejects.toMatchObject({
      reason: Reason.IN_USE,
      message: expect.stringContaining(
        'default/m@1 is active and labelled "stable": activate another version and move or remove the label first',
      ) as string,
    });
    expect((await stored()).versions.get(1)?.state).toBe('published');
    await core.catalog.setState(key, 1, 'offline', true, signal);
    expect((await stored()).model).toMatchObject({ activeVersion: 0, labels: { canary: 2 } });
  });

  it('changes nothing when it is so already', async () => {
    await published(1);
    const before = core.mirror.snapshot.revision;
    await core.catalog.setState(key, 1, 'published', false, signal);
    expect(core.mirror.snapshot.revision).toBe(before);
  });
});

describe('activating', () => {
  it('remembers what was active before', async () => {
    await published(1, 2);
    expect((await activate(1)).previousVersion).toBe(0);
    const second = await activate(2);
    expect(second.previousVersion).toBe(1);
    expect(second.model.activations.map(({ version, by, kind }) => [version, by, kind])).toEqual([
      [1, 'ann', 'activate'],
      [2, 'ann', 'activate'],
    ]);
    expect((await activate(2)).model.activations).toHaveLength(2);
  });

  it('changes nothing when the version is not ready in time, and says what is missing', async () => {
    await published(1);
    await activate(1);
    await register();
    await core.catalog.setState(key, 2, 'published', false, signal);
    await core.worker('w1', ['m@1', 'ready'], ['m@2', 'loading']);
    await expect(activate(2, 50)).rejects.toMatchObject({
      reason: Reason.NOT_READY,
      message: 'default/m@2 is not ready: w1 is loading (waited 50 ms)',
    });
    expect((await stored()).model?.activeVersion).toBe(1);
  });

  it('waits until the version is ready', async () => {
    await register();
    await core.catalog.setState(key, 1, 'published', false, signal);
    const activating = activate(1);
    await core.worker('w1', ['m@1', 'loading']);
    await core.worker('w1', ['m@1', 'ready']);
    expect((await activating).model.activeVersion).toBe(1);
  });

  it('fails at once when no worker could load it', async () => {
    await register();
    await core.catalog.setState(key, 1, 'published', false, signal);
    await core.worker('w1', ['m@1', 'failed', { reason: 'bad weights' }]);
    await expect(activate(1, 60_000)).rejects.toMatchObject({
      reason: Reason.NOT_READY,
      message: expect.stringContaining('it failed on w1: bad weights') as string,
    });
  });

  it('waits for the routers, before and after', async () => {
    await published(1);
    const hello = {
      routerId: 'r1',
      incarnation: 'i',
      address: '',
      operationsAddress: '',
      pid: 1n,
      meshId: '',
      epoch: 0n,
      revision: 0n,
    };
    const router = core.connections.open(hello);
    await expect(activate(1, 50)).rejects.toMatchObject({
      reason: Reason.NOT_READY,
      message: expect.stringContaining('these routers have not acknowledged its routes: r1') as string,
    });
    expect((await stored()).model?.activeVersion).toBe(0);
    core.feed.onChange(() => router.acknowledge(core.feed.revision));
    router.acknowledge(core.feed.revision);
    await activate(1);
    expect(router.acknowledgedRevision).toBe(core.mirror.snapshot.models.get('default/m' as never)?.model.modRevision);
  });

  it('refuses what is not published', async () => {
    await register();
    await expect(activate(1)).rejects.toMatchObject({
      reason: Reason.VERSION_OFFLINE,
      message: 'default/m@1 is registered: publish it first',
    });
    await expect(activate(7)).rejects.toMatchObject({ reason: Reason.VERSION_NOT_FOUND });
  });

  it('ends the wait when the caller gives up or the registry goes away', async () => {
    await register();
    await core.catalog.setState(key, 1, 'published', false, signal);
    const caller = new AbortController();
    const first = core.catalog.activate(key, 1, 60_000, 'ann', caller.signal);
    const second = activate(1, 60_000);
    caller.abort();
    await expect(first).rejects.toMatchObject({ reason: Reason.CANCELLED });
    core.shutdown.abort();
    await expect(second).rejects.toMatchObject({ reason: Reason.DRAINING });
  });
});

describe('rolling back', () => {
  it('goes back step by step, and ends where the history begins', async () => {
    await published(1, 2, 3);
    for (const number of [1, 2, 3]) await activate(number);
    expect(await rollBack()).toMatchObject({ model: { activeVersion: 2 }, previousVersion: 3 });
    expect(await rollBack()).toMatchObject({ model: { activeVersion: 1 }, previousVersion: 2 });
    await expect(rollBack()).rejects.toMatchObject({ reason: Reason.NOTHING_TO_ROLL_BACK });
  });

  it('passes over versions that are not published any more', async () => {
    await published(1, 2, 3);
    for (const number of [1, 2, 3]) await activate(number);
    await core.catalog.setState(key, 2, 'offline', false, signal);
    expect((await rollBack()).model.activeVersion).toBe(1);
  });

  it('goes to a given version of the history', async () => {
    await published(1, 2, 3);
    for (const number of [1, 2]) await activate(number);
    expect((await rollBack(1)).model.activeVersion).toBe(1);
    await expect(rollBack(3)).rejects.toMatchObject({
      reason: Reason.NOTHING_TO_ROLL_BACK,
      message: expect.stringContaining('default/m@3 was never active') as string,
    });
  });

  it('brings the last one back after the active one was forced away', async () => {
    await published(1, 2);
    for (const number of [1, 2]) await activate(number);
    await core.catalog.setState(key, 2, 'offline', true, signal);
    expect(await rollBack()).toMatchObject({ model: { activeVersion: 1 }, previousVersion: 0 });
  });

  it('is refused where nothing was active', async () => {
    await expect(rollBack()).rejects.toMatchObject({ reason: Reason.MODEL_NOT_FOUND });
    await published(1);
    await expect(rollBack()).rejects.toMatchObject({ reason: Reason.NOTHING_TO_ROLL_BACK });
  });
});

describe('labels', () => {
  it('are set, moved and removed', async () => {
    await published(1, 2);
    expect((await core.catalog.setLabel(key, 'stable', 1, 5_000, signal)).labels).toEqual({ stable: 1 });
    expect((await core.catalog.setLabel(key, 'stable', 2, 5_000, signal)).labels).toEqual({ stable: 2 });
    expect((await core.catalog.removeLabel(key, 'stable', signal)).labels).toEqual({});
  });

  it.each(['stable', 'constructor', 'toString'])('that are not there are LABEL_NOT_FOUND: %s', async (label) => {
    await published(1);
    await expect(core.catalog.removeLabel(key, label, signal)).rejects.toMatchObject({
      reason: Reason.LABEL_NOT_FOUND,
    });
    expect((await core.catalog.setLabel(key, label, 1, 5_000, signal)).labels).toEqual({ [label]: 1 });
  });
});
