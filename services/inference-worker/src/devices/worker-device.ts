import { workerService } from '@bms/contracts';
import type { Clock } from '../clock';
import { describeDevice, isCpu, type Device } from '../servables/device';
import { DeviceHealth } from '../servables/device-health';
import { cpuName } from '../servables/onnx-device';
import { DeviceLedger } from './device-ledger';
import { DeviceMeter } from './device-meter';
import { renderNodes, webgpuName } from './gpu-hardware';
import { gpuSelector, readGpu } from './nvidia-smi';

const { CPU, GPU } = workerService.DeviceKind;

/** The device of this process, with what is known and watched of it. */
export interface WorkerDevice {
  readonly device: Device;
  readonly facts: Omit<workerService.Device, 'concurrentRuns'>;
  readonly health: DeviceHealth;
  /** undefined: it has no memory of its own, or nobody can measure it. */
  readonly meter: DeviceMeter | undefined;
  readonly ledger: DeviceLedger | undefined;
}

export interface DeviceHints {
  readonly cudaVisibleDevices: string | undefined;
  readonly vulkanDriver: string | undefined;
}

/** Finds out what can be known of a device. */
export async function watchDevice(
  device: Device,
  hints: DeviceHints,
  clock: Clock,
  signal: AbortSignal,
): Promise<WorkerDevice> {
  const selector = gpuSelector(device.index ?? 0, hints.cudaVisibleDevices);
  const read = (until: AbortSignal) => readGpu(selector, until);
  const first = ['cuda', 'tensorrt'].includes(device.provider) ? await read(signal) : undefined;
  const meter = first && new DeviceMeter(first, { read, clock });
  return {
    device,
    facts: {
      provider: describeDevice(device),
      name: first?.name ?? nameOf(device, hints),
      kind: isCpu(device) ? CPU : GPU,
      memoryBytes: BigInt(first?.totalBytes ?? 0),
    },
    health: new DeviceHealth(),
    meter,
    ledger: meter && new DeviceLedger(meter),
  };
}

function nameOf(device: Device, { vulkanDriver }: DeviceHints): string {
  if (isCpu(device)) return cpuName();
  if (device.provider === 'webgpu') return webgpuName(vulkanDriver, renderNodes());
  return describeDevice(device);
}
