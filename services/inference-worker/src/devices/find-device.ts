import { CPU_DEVICE, describeDevice, type Device } from '../servables/device';

/** A device that was found, and why not another one. */
export interface FoundDevice {
  readonly device: Device;
  readonly why: string;
}

export interface DeviceSearch {
  /** Why models cannot run on the device; undefined: they can. */
  readonly trouble: (device: Device) => Promise<string | undefined>;
  /** Whether a GPU that WebGPU may take is in the machine, not only software that plays one. */
  readonly hasAdapter: boolean;
}

const CUDA: Device = { provider: 'cuda', index: 0 };
const WEBGPU: Device = { provider: 'webgpu', index: undefined };

/**
 * The first of cuda:0, webgpu and cpu that runs models. A software Vulkan device is no GPU: it is slower than the CPU's own
 * provider, so that only who asks for webgpu by name gets it.
 */
export async function findDevice({ trouble, hasAdapter }: DeviceSearch): Promise<FoundDevice> {
  const passed: string[] = [];
  for (const device of [CUDA, WEBGPU]) {
    const noAdapter = device === WEBGPU && !hasAdapter ? 'webgpu was not tried: this machine shows no GPU' : undefined;
    const why = noAdapter ?? (await trouble(device));
    if (why === undefined) return { device, why: [`${describeDevice(device)} runs models`, ...passed].join('; ') };
    passed.push(why);
  }
  return { device: CPU_DEVICE, why: passed.join('; ') };
}
