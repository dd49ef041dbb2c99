/** What a worker runs its models on, as far as a version's wish looks at it. */
export interface DeviceOffer {
  readonly kind: 'cpu' | 'gpu';
  /** cpu, cuda:0, webgpu */
  readonly provider: string;
}

/** A version's wish, as its config says it. */
export interface DeviceWish {
  /** "" (any), "gpu", "cpu", or a provider. */
  readonly device: string;
  /** "" (none) or "cpu". */
  readonly fallback: string;
}

/**
 * - `wished`: the device is what the version asks for
 * - `fallback`: it is not, but the version takes it where nothing better is there
 * - `unfit`: the version must not run there
 */
export type DeviceFit = 'wished' | 'fallback' | 'unfit';

/** How well a device suits a version. Pure; placement and the workers hold to the same. */
export function deviceFit({ device, fallback }: DeviceWish, offer: DeviceOffer): DeviceFit {
  if (isWished(device, offer)) return 'wished';
  return fallback !== '' && fallback === offer.kind ? 'fallback' : 'unfit';
}

function isWished(device: string, { kind, provider }: DeviceOffer): boolean {
  if (device === '') return true;
  if (device === 'gpu' || device === 'cpu') return device === kind;
  return device === provider.split(':')[0];
}
