import { StartError } from '@bms/lifecycle';
import { flagOf, variableOf } from '@bms/settings';
import { parseDevice, type Device } from './servables/device';
import { checkDevice, DeviceUnavailableError } from './servables/onnx-device';

/** How long the tiny run that proves a device may take: a GPU's libraries are large. */
const DEVICE_CHECK_MS = 60_000;

/** The device that the setting names, proven to run models. Throws StartError: no other one is ever taken instead. */
export async function usableDevice(text: string): Promise<Device> {
  const setting = `setting device (${flagOf('device')}, ${variableOf('device')}) is ${JSON.stringify(text)}`;
  const device = parseDevice(text);
  if (device === undefined) throw new StartError(`${setting}: allowed is such as cpu, cuda:0, webgpu`);
  try {
    await checkDevice(device, AbortSignal.timeout(DEVICE_CHECK_MS));
  } catch (error) {
    if (error instanceof DeviceUnavailableError) throw new StartError(`${setting}: ${error.message}`);
    throw error;
  }
  return device;
}
