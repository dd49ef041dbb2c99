import { availableParallelism, cpus } from 'node:os';
import { listSupportedBackends, env } from 'onnxruntime-node';
import { describeDevice, type Device } from './device';
import { alone } from './executor';
import { OnnxExecutor } from './onnx-executor';

/** An ONNX model of one node, y = x + x over FP32 [1]: the least that a device can be asked to do. */
const PROBE_MODEL = Buffer.from(
  'CAgSADo5Cg4KAXgKAXgSAXkiA0FkZBIFcHJvYmVaDwoBeBIKCggIARIECgIIAWIPCgF5EgoKCAgBEgQKAggBQgQKABAR',
  'base64',
);

/** The device cannot run models here; the message says what can. */
export class DeviceUnavailableError extends Error {
  override readonly name = 'DeviceUnavailableError';
}

/**
 * Runs a tiny model on the device, because being listed does not mean that its libraries and its hardware are there.
 * Throws {@link DeviceUnavailableError} that names what this onnxruntime-node offers; nothing else is ever taken instead.
 */
export async function checkDevice(device: Device, signal: AbortSignal): Promise<void> {
  const offered = listSupportedBackends();
  if (!offered.some(({ name }) => name === device.provider)) throw unavailable(device, 'it is not among them');
  const executor = new OnnxExecutor({
    model: { kind: 'bytes', bytes: PROBE_MODEL },
    provider: device.provider,
    deviceIndex: device.index,
    intraOpThreads: 1,
    graphOptimization: 'all',
    providerOptions: {},
    runMark: undefined,
    answerLimitBytes: Infinity,
  });
  try {
    await executor.load(signal);
    const [outcome] = await executor.run([
      alone({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: new Uint8Array(4) }], outputs: ['y'] }),
    ]);
    if (outcome?.kind !== 'answered') throw new Error(outcome?.message ?? 'it gave no answer');
  } catch (error) {
    const late = signal.aborted ? 'a tiny model did not run in time' : undefined;
    throw unavailable(device, late ?? (error instanceof Error ? error.message : String(error)));
  } finally {
    await executor.close();
  }
}

/** What the CPU calls itself, for people. */
export function cpuName(): string {
  return `${cpus()[0]?.model.trim() ?? 'CPU'}, ${availableParallelism()} cores`;
}

function unavailable(device: Device, why: string): DeviceUnavailableError {
  const offered = listSupportedBackends().map(({ name, bundled }) =>
    bundled ? name : `${name} (its libraries are not bundled)`,
  );
  return new DeviceUnavailableError(
    `${describeDevice(device)} cannot be used: ${why}; onnxruntime-node ${env.versions.node ?? ''} for ` +
      `${process.platform} ${process.arch} offers ${offered.join(', ')}`,
  );
}
