import { env, InferenceSession, Tensor } from 'onnxruntime-node';
import { oversizedAnswer } from './answer-size';
import { rawOfTexts, textsOfRaw, UnfitStringError } from './onnx-strings';
import { providerEntry, sessionPart } from './onnx-provider-options';
import type { PackedInput, PackedOutcome, PackedOutput, PackedRun, ThreadSpec } from './onnx-thread-messages';

type Clean = (message: string) => string;

/** ONNX Runtime's highest log severity. Its errors are thrown as well: its log would only repeat them, with paths. */
const LOG_FATAL_ONLY = 4;
env.logLevel = 'fatal';

/** Makes the session. Throws ONNX Runtime's error, and one about options that it would not see. */
export async function createSession(spec: ThreadSpec): Promise<InferenceSession> {
  const part = sessionPart(spec.provider, spec.providerOptions);
  const options: InferenceSession.SessionOptions = {
    executionProviders: [providerEntry(spec.provider, spec.deviceIndex, part)],
    intraOpNumThreads: spec.intraOpThreads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: spec.graphOptimization,
    logSeverityLevel: LOG_FATAL_ONLY,
    extra: {
      ...part.extra,
      session: {
        // A pool that spins between runs takes the core that another replica, or the sockets' thread, needs.
        intra_op: { allow_spinning: '0' },
        inter_op: { allow_spinning: '0' },
        // Never in silence on the CPU what was meant for another device.
        ...(spec.provider === 'cpu' ? {} : { disable_cpu_ep_fallback: '1' }),
      },
    },
  };
  return spec.model.kind === 'file'
    ? InferenceSession.create(spec.model.path, options)
    : InferenceSession.create(spec.model.bytes, options);
}

/** Runs one request. Never throws: what the values, the model or the runtime raise is the outcome. */
export async function runOnce(
  session: InferenceSession,
  run: PackedRun,
  buffer: ArrayBuffer,
  clean: Clean,
  answerLimitBytes: number,
): Promise<PackedOutcome> {
  let startedMs = performance.now();
  const computeUs = (): number => Math.round((performance.now() - startedMs) * 1000);
  try {
    const feeds = feedsOf(run.inputs, buffer);
    startedMs = performance.now();
    const results = await session.run(feeds, run.outputs);
    const tookUs = computeUs();
    const outputs = run.outputs.map((name) => outputOf(name, results[name]));
    const message = oversizedAnswer(outputs, answerLimitBytes);
    if (message !== undefined) return { kind: 'oversized', computeUs: tookUs, message };
    return { kind: 'answered', computeUs: tookUs, outputs: outputs.map(packOutput) };
  } catch (error) {
    if (error instanceof UnfitInputError) return { kind: 'refused', field: error.input, message: error.message };
    return {
      kind: 'failed',
      computeUs: computeUs(),
      message: clean(error instanceof Error ? error.message : String(error)),
    };
  }
}

/** An input whose values the runtime cannot take. */
class UnfitInputError extends Error {
  constructor(
    readonly input: string,
    message: string,
  ) {
    super(message);
  }
}

function feedsOf(inputs: readonly PackedInput[], buffer: ArrayBuffer): Record<string, Tensor> {
  return Object.fromEntries(
    inputs.map((input) => {
      try {
        return [input.name, tensorOf(input, buffer)];
      } catch (error) {
        if (error instanceof UnfitStringError) throw new UnfitInputError(input.name, error.message);
        throw error;
      }
    }),
  );
}

function tensorOf({ type, shape, byteOffset, byteLength }: PackedInput, buffer: ArrayBuffer): Tensor {
  const dims = [...shape];
  switch (type) {
    case 'float32':
      return new Tensor(type, new Float32Array(buffer, byteOffset, byteLength / 4), dims);
    case 'float64':
      return new Tensor(type, new Float64Array(buffer, byteOffset, byteLength / 8), dims);
    case 'float16':
      return new Tensor(type, new Uint16Array(buffer, byteOffset, byteLength / 2), dims);
    case 'int8':
      return new Tensor(type, new Int8Array(buffer, byteOffset, byteLength), dims);
    case 'int16':
      return new Tensor(type, new Int16Array(buffer, byteOffset, byteLength / 2), dims);
    case 'int32':
      return new Tensor(type, new Int32Array(buffer, byteOffset, byteLength / 4), dims);
    case 'int64':
      return new Tensor(type, new BigInt64Array(buffer, byteOffset, byteLength / 8), dims);
    case 'uint8':
      return new Tensor(type, new Uint8Array(buffer, byteOffset, byteLength), dims);
    case 'uint16':
      return new Tensor(type, new Uint16Array(buffer, byteOffset, byteLength / 2), dims);
    case 'uint32':
      return new Tensor(type, new Uint32Array(buffer, byteOffset, byteLength / 4), dims);
    case 'uint64':
      return new Tensor(type, new BigUint64Array(buffer, byteOffset, byteLength / 8), dims);
    case 'bool':
      return new Tensor(type, truthValues(new Uint8Array(buffer, byteOffset, byteLength)), dims);
    case 'string':
      return new Tensor(type, textsOfRaw(Buffer.from(buffer, byteOffset, byteLength)), dims);
    default:
      throw new Error(`onnxruntime-node has no datatype ${type}`);
  }
}

/** Kernels read a C++ bool, where any byte but 0 and 1 is undefined behaviour; on the wire any but 0 is true. */
function truthValues(bytes: Uint8Array): Uint8Array {
  for (let at = 0; at < bytes.length; at++) if ((bytes[at] ?? 0) > 1) bytes[at] = 1;
  return bytes;
}

interface Output {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly number[];
  readonly data: Tensor['data'];
}

function outputOf(name: string, tensor: Tensor | undefined): Output {
  if (tensor === undefined || tensor.data === undefined)
    throw new Error(`the model gave no tensor for its output ${name}`);
  return { name, type: tensor.type, shape: tensor.dims, data: tensor.data };
}

function packOutput({ name, type, shape, data }: Output): PackedOutput {
  const bytes = Array.isArray(data) ? rawOfTexts(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { name, type, shape, data: bytes };
}
