import { StartError } from '@bms/lifecycle';
import { flagOf, SettingsError, variableOf } from '@bms/settings';
import { findDevice, type FoundDevice } from './devices/find-device';
import { renderNodes } from './devices/gpu-hardware';
import { parseDevice, type Device } from './servables/device';
import { checkDevice, DeviceUnavailableError } from './servables/onnx-device';

/** How long the tiny run that proves a device may take: a GPU's libraries are large, and the machine may be busy. */
const DEVICE_CHECK_MS = 180_000;

const REMEDY = 'docs/gpu.md says what a GPU needs; --device auto takes what works, --device cpu needs nothing';

/** Opens the device that a setting names. */
export type OpenDevice = (text: string) => Promise<FoundDevice>;

/**
 * The device that the setting names, proven to run models, or the one that `auto` finds. Throws StartError: where a device
 * is named no other one is ever taken instead; SettingsError where it names none.
 */
export async function usableDevice(text: string): Promise<FoundDevice> {
  if (text === 'auto') return findDevice({ trouble, hasAdapter: hasAdapter() });
  const setting = `setting device (${flagOf('device')}, ${variableOf('device')}) is ${JSON.stringify(text)}`;
  const device = parseDevice(text);
  if (device === undefined) throw new SettingsError(`${setting}: allowed is such as cpu, cuda:0, webgpu, or auto`);
  const why = await trouble(device);
  if (why !== undefined) throw new StartError(`${setting}: ${why}. ${REMEDY}`);
  return { device, why: 'as the setting says' };
}

async function trouble(device: Device): Promise<string | undefined> {
  try {
    await checkDevice(device, AbortSignal.timeout(DEVICE_CHECK_MS));
    return undefined;
  } catch (error) {
    if (error instanceof DeviceUnavailableError) return error.message;
    throw error;
  }
}

/** Where Linux does not tell, its own graphics system has an adapter. */
function hasAdapter(): boolean {
  return process.platform !== 'linux' || renderNodes().length > 0;
}
