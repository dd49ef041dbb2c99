import { DeviceHealth } from './device-health';
import { alone, ExecutorLostError, type RunOutcome } from './executor';
import { FakeExecutor } from './fake-executor.testkit';
import { GuardedExecutor } from './guarded-executor';

const FATAL = 'CUDA failure 700: an illegal memory access was encountered';
const REQUEST = { inputs: [], outputs: ['y'] };

function guarded(message: string) {
  const inner = new FakeExecutor();
  inner.answer = (): RunOutcome => ({ kind: 'failed', message, computeUs: 1 });
  const health = new DeviceHealth();
  const told: string[] = [];
  health.onFailure((why) => told.push(why));
  return { inner, health, told, executor: new GuardedExecutor(inner, health) };
}

describe('GuardedExecutor', () => {
  it('takes what ends the device for the loss of all that was on board, and tells once', async () => {
    const { executor, health, told } = guarded(FATAL);
    await expect(executor.run([alone(REQUEST), alone(REQUEST)])).rejects.toMatchObject({ began: true });
    await expect(executor.lost).resolves.toBe(`its device failed: ${FATAL}`);
    expect([health.failure, told]).toEqual([FATAL, [FATAL]]);
  });

  it('begins nothing on a device that has failed', async () => {
    const { executor, health } = guarded('any');
    health.fail(FATAL);
    await expect(executor.run([alone(REQUEST)])).rejects.toBeInstanceOf(ExecutorLostError);
    await expect(executor.run([alone(REQUEST)])).rejects.toMatchObject({ began: false });
  });

  it('hands on what the model raised, and memory that ran out', async () => {
    for (const message of ['index out of bounds', 'CUDA failure 2: out of memory']) {
      const { executor, health } = guarded(message);
      await expect(executor.run([alone(REQUEST)])).resolves.toEqual([{ kind: 'failed', message, computeUs: 1 }]);
      expect(health.failure).toBeUndefined();
    }
  });

  it('sees a device that fails while a model is loaded', async () => {
    const { executor, inner, health } = guarded('any');
    const loading = executor.load(new AbortController().signal);
    inner.failLoad('Device is lost.');
    await expect(loading).rejects.toThrow('Device is lost.');
    expect(health.failure).toBe('Device is lost.');
  });
});
