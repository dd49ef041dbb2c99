import { systemClock } from '../clock';
import { RegistryPresence } from '../peers/registry-presence';
import { RegistryCore } from '../registry-core.testkit';
import { waitUntil } from '../watch/change-source';
import { LeaderElection } from './leader-election';

const { signal } = new AbortController();

let core: RegistryCore;
const running: { election: LeaderElection; presence: RegistryPresence }[] = [];
const replaced: string[] = [];

beforeEach(async () => {
  replaced.length = 0;
  core = await RegistryCore.open();
});
afterEach(async () => {
  for (const { election, presence } of running.splice(0)) {
    await election.close();
    await presence.leave(signal);
  }
  await core.close();
});

/** A registry's place and its part in the election, over the store that all share. */
function registry(registryId: string, incarnation = 'first') {
  const { store, keys, mirror, trust } = core;
  const onTrouble = (error: unknown): void => void core.troubles.push(error);
  const shared = { store, keys, mirror, trust, clock: systemClock, onTrouble };
  const onReplaced = (reason: string): void => void replaced.push(reason);
  const presence = new RegistryPresence({ ...shared, leaseTtlMs: 60_000, onReplaced });
  const election = new LeaderElection({ ...shared, presence, identity: { registryId, incarnation } });
  presence.start({
    id: registryId,
    incarnation,
    address: `${registryId}:8700`,
    operationsAddress: '',
    host: registryId,
    pid: 1,
    startedAtMs: 1,
    bmsVersion: '0',
  });
  election.start();
  running.push({ election, presence });
  return { election, presence };
}

async function leads({ election }: { election: LeaderElection }, wanted = true): Promise<void> {
  const check = (): true | undefined => (election.leads() === wanted ? true : undefined);
  const found = await waitUntil([election, core.mirror], check, { clock: systemClock, signal, boundMs: 5_000 });
  expect(found).toBe(true);
}

const write = (election: LeaderElection) =>
  core.store.commit({
    compares: election.fence(),
    writes: [{ put: `${core.keys.prefix}written`, value: new Uint8Array([1]) }],
  });

it('lets one lead, and nobody else write as a leader', async () => {
  const one = registry('r1');
  await leads(one);
  const other = registry('r2');
  await core.until(({ registries }) => registries.size === 2 || undefined);
  expect(other.election.leads()).toBe(false);
  expect((await write(other.election)).succeeded).toBe(false);
  expect((await write(one.election)).succeeded).toBe(true);
});

it('refuses what a leader sends that does not know yet that its lease has run out', async () => {
  const one = registry('r1');
  await leads(one);
  const other = registry('r2');
  await core.until(({ registries }) => registries.size === 2 || undefined);
  const stale = one.election.fence();
  await core.store.revokeLease(one.presence.hold?.leaseId ?? 0n);
  await core.until(({ leader }) => (leader !== undefined && stale[0] !== undefined ? leader : undefined));
  const { succeeded } = await core.store.commit({
    compares: stale,
    writes: [{ put: `${core.keys.prefix}written`, value: new Uint8Array([2]) }],
  });
  expect(succeeded).toBe(false);
  await core.until(({ registries }) => registries.size === 2 || undefined); // its place was taken anew
  expect([one, other].filter(({ election }) => election.leads()).length).toBeLessThanOrEqual(1);
});

it('leads on as another process of the same registry at once, without waiting for the lease of the one before', async () => {
  const before = registry('r1', 'first');
  await leads(before);
  await before.election.close(); // killed: its lease and its key stay
  const after = registry('r1', 'second');
  await leads(after);
  await core.until(({ leader }) => leader?.record.incarnation === 'second' || undefined);
  await waitUntil([core.mirror], () => (replaced.length > 0 ? true : undefined), {
    clock: systemClock,
    signal,
    boundMs: 5_000,
  });
  expect(replaced[0]).toContain('another registry runs with the id r1');
});

it('campaigns again when somebody deletes the key by hand', async () => {
  const one = registry('r1');
  await leads(one);
  const first = core.mirror.snapshot.leader?.createRevision ?? 0n;
  await core.store.commit({ compares: [], writes: [{ delete: core.keys.leader() }] });
  await core.until(({ leader }) => (leader !== undefined && leader.createRevision > first ? true : undefined));
  await leads(one);
});
