import type { DeviceOffer } from '@bms/contracts';

/** What a worker runs its models on. */
export interface Device {
  /** Execution provider as ONNX Runtime names it: cpu, cuda, webgpu, tensorrt, coreml, dml. */
  readonly provider: string;
  /** Which of several devices of a kind; undefined where the setting names none. */
  readonly index: number | undefined;
}

const PATTERN = /^([a-z][a-z0-9]*)(?::([0-9]{1,3}))?$/;

/** Reads `cpu`, `cuda:0`, `webgpu`; undefined when it is none of that form. */
export function parseDevice(text: string): Device | undefined {
  const match = PATTERN.exec(text);
  if (match === null) return undefined;
  const [, provider = '', index] = match;
  return { provider, index: index === undefined ? undefined : Number(index) };
}

/** The form that {@link parseDevice} reads. */
export function describeDevice(device: Device): string {
  return device.index === undefined ? device.provider : `${device.provider}:${device.index}`;
}

/** What is taken where a version's config allows to fall back. */
export const CPU_DEVICE: Device = { provider: 'cpu', index: undefined };

/** As versions' wishes look at it. Every provider but the CPU's is taken for a GPU's. */
export function offerOf(device: Device): DeviceOffer {
  return { kind: isCpu(device) ? 'cpu' : 'gpu', provider: describeDevice(device) };
}

export function isCpu(device: Device): boolean {
  return device.provider === 'cpu';
}
