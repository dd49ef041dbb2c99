import { BmsError, Reason } from '@bms/contracts';
import type { Channel } from '@bms/transport';
import { RegistryPool } from './registry-pool';

const PATH = '/service/Method';

/** Channels that answer or fail as they are told, by address. */
function pool(plan: Readonly<Record<string, () => Promise<Uint8Array>>>) {
  const asked: string[] = [];
  let nowMs = 0;
  const dial = (address: string): Channel => ({
    address,
    state: 'ready',
    onStateChange: () => () => undefined,
    connect: () => undefined,
    unary: async () => {
      asked.push(address);
      return (plan[address] ?? answer)();
    },
    stream: () => {
      throw new Error('not used here');
    },
    close: () => undefined,
  });
  const clock = { now: () => nowMs, sleep: async (ms: number) => void (nowMs += ms) };
  return { asked, registries: new RegistryPool(Object.keys(plan), dial, clock) };
}

const answer = async (): Promise<Uint8Array> => Uint8Array.of(1);
const fail = (reason: Reason) => async (): Promise<Uint8Array> => {
  throw new BmsError(reason, 'told so');
};
const reading = { changes: false };
const changing = { changes: true };

describe('RegistryPool', () => {
  it('stays with the registry that answered last', async () => {
    const { asked, registries } = pool({ a: fail(Reason.CONNECTION_FAILED), b: answer });
    await registries.unary(PATH, Uint8Array.of(), {}, changing);
    await registries.unary(PATH, Uint8Array.of(), {}, changing);
    expect(asked).toEqual(['a', 'b', 'b']);
  });

  it('asks round again until a registry is back', async () => {
    let attempts = 0;
    const { registries } = pool({ a: () => (++attempts < 4 ? fail(Reason.CONNECTION_FAILED)() : answer()) });
    await expect(registries.unary(PATH, Uint8Array.of(), {}, changing)).resolves.toEqual(Uint8Array.of(1));
  });

  it('gives up after a while, says so, and that nothing was changed', async () => {
    const { asked, registries } = pool({ a: fail(Reason.CONNECTION_FAILED), b: fail(Reason.CONNECTION_FAILED) });
    await expect(registries.unary(PATH, Uint8Array.of(), {}, changing)).rejects.toMatchObject({
      reason: Reason.STORE_UNAVAILABLE,
      message: 'admin reaches no registry (tried a, b); nothing was changed',
    });
    expect(asked.length).toBeGreaterThan(10);
    expect(asked.length).toBeLessThan(70);
  });

  it('does not wait beyond the caller’s deadline', async () => {
    const { asked, registries } = pool({ a: fail(Reason.CONNECTION_FAILED) });
    await expect(registries.unary(PATH, Uint8Array.of(), { deadlineMs: 150 }, changing)).rejects.toThrow();
    expect(asked).toHaveLength(2);
  });

  it('repeats a reading call whose connection broke', async () => {
    const { asked, registries } = pool({ a: fail(Reason.WORKER_LOST), b: answer });
    await registries.unary(PATH, Uint8Array.of(), {}, reading);
    expect(asked).toEqual(['a', 'b']);
  });

  it('never repeats a change that may have happened', async () => {
    const { asked, registries } = pool({ a: fail(Reason.WORKER_LOST), b: answer });
    const call = registries.unary(PATH, Uint8Array.of(), {}, changing);
    await expect(call).rejects.toMatchObject({ reason: Reason.OUTCOME_UNKNOWN });
    expect(asked).toEqual(['a']);
  });

  it.each([Reason.WORKER_LOST, Reason.STORE_UNAVAILABLE])(
    'does not go with later calls to a registry that failed one with %s',
    async (reason) => {
      const { asked, registries } = pool({ a: fail(reason), b: answer });
      await expect(registries.unary(PATH, Uint8Array.of(), {}, changing)).rejects.toThrow();
      await registries.unary(PATH, Uint8Array.of(), {}, changing);
      expect(asked).toEqual(['a', 'b']);
    },
  );

  it('passes a registry’s own refusal on', async () => {
    const { registries } = pool({ a: fail(Reason.IN_USE), b: answer });
    const call = registries.unary(PATH, Uint8Array.of(), {}, changing);
    await expect(call).rejects.toMatchObject({ reason: Reason.IN_USE, message: 'told so' });
  });
});
