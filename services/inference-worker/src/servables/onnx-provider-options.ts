import type { InferenceSession } from 'onnxruntime-node';

/** Options of a version for one provider, as its config has them. */
export type ProviderOptions = Readonly<Record<string, string>>;

/** What onnxruntime-node wants as a boolean, or as a list, where a config holds texts. */
const BOOLEANS: ReadonlySet<string> = new Set(['enableRobustness', 'enableMatmulFp32Accumulation']);
const LISTS: ReadonlySet<string> = new Set(['forceCpuNodeNames']);

/**
 * What the CUDA provider of 1.30 reads from a session's config. onnxruntime-node hands it nothing else but the device, and
 * would drop any other option, such as cudnn_conv_algo_search, without a word.
 */
const CUDA_OPTIONS: ReadonlySet<string> = new Set(['qmoe_row_tile_size', 'fpa_intb_gemm', 'fpa_intb_profile_m']);

/** What options become: a part of the provider's entry, or of the session's config. */
export interface SessionPart {
  readonly provider: Readonly<Record<string, string | boolean | readonly string[]>>;
  readonly extra: Readonly<Record<string, unknown>>;
}

/**
 * Options as onnxruntime-node takes them. WebGPU's go to its provider, which refuses unknown ones by itself; those of
 * other providers go where they are known to be read. Throws an Error whose message names an option that would be lost.
 */
export function sessionPart(provider: string, options: ProviderOptions): SessionPart {
  const given = Object.entries(options);
  if (provider === 'webgpu') {
    const entry = Object.fromEntries(given.map(([name, value]) => [name, typed(name, value)] as const));
    return { provider: entry, extra: {} };
  }
  const known = provider === 'cuda' ? CUDA_OPTIONS : new Set<string>();
  const lost = given.find(([name]) => !known.has(name));
  if (lost !== undefined) {
    const allowed = known.size === 0 ? 'no options' : `only ${[...known].join(', ')}`;
    throw new Error(
      `the option ${JSON.stringify(lost[0])} cannot be given to ${provider}: onnxruntime-node hands it ${allowed}`,
    );
  }
  return { provider: {}, extra: given.length === 0 ? {} : { ep: { [provider]: { ...options } } } };
}

function typed(name: string, value: string): string | boolean | readonly string[] {
  if (LISTS.has(name)) return value.split('\n');
  if (!BOOLEANS.has(name) || !['0', '1', 'false', 'true'].includes(value)) return value;
  return value === '1' || value === 'true';
}

/** The sentence by which ONNX Runtime says that some node needs a kernel that the provider lacks. */
const NEEDS_CPU = /assigned to the default CPU EP, but fallback to CPU EP has been explicitly disabled/;

/** Whether a session was refused because its provider cannot run the model as a whole. */
export function needsCpu(message: string): boolean {
  return NEEDS_CPU.test(message);
}

/** The provider's entry in a session's options. */
export function providerEntry(
  name: string,
  deviceIndex: number | undefined,
  part: SessionPart,
): InferenceSession.ExecutionProviderConfig {
  const device = deviceIndex === undefined || name === 'webgpu' ? {} : { deviceId: deviceIndex };
  return { ...part.provider, ...device, name };
}
