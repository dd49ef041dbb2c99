/** What a version's config may ask for: the command line, the registry and the workers hold to the same. */

/** The most copies of a version; 0 stands for the mesh's default. */
export const REPLICAS_MAX = 1000;

/** The most threads inside one run; 0 stands for the worker's default. */
export const INTRA_OP_THREADS_MAX = 256;

/** The most sessions of a version on one worker; 0 stands for what the worker measures to be worth it. */
export const EXECUTORS_MAX = 64;

/** Whether requests run together: "" stands for where the model takes it, as its signature and a check at warm-up say. */
export const BATCHING_MODES = ['on', 'off'] as const;
export type BatchingMode = '' | (typeof BATCHING_MODES)[number];
/** The most rows of one run that may be asked for, and how many where nothing is. */
export const BATCH_ROWS_MAX = 4096;
export const BATCH_ROWS_DEFAULT = 64;
/** The most sizes that a version may prefer. */
export const PREFERRED_ROWS_MAX = 16;
/** The longest that a request may be made to wait for others. */
export const BATCH_DELAY_MAX_MS = 10_000;
/** The longest bound on waiting. */
export const QUEUE_MAX_MS = 600_000;

/** How far ONNX Runtime rewrites the graph before it runs; "" stands for `all`. */
export const GRAPH_OPTIMIZATIONS = ['disabled', 'basic', 'extended', 'all'] as const;
export type GraphOptimization = (typeof GRAPH_OPTIMIZATIONS)[number];

/** Execution providers of onnxruntime-node, over all platforms. */
export const EXECUTION_PROVIDERS = ['cpu', 'cuda', 'tensorrt', 'webgpu', 'coreml', 'dml', 'qnn'] as const;

/** Which devices a version may wish for, besides "" (any): any GPU, the CPU, or one provider. */
export const DEVICE_WISHES = ['gpu', ...EXECUTION_PROVIDERS] as const;

/** What a version may name to be taken where its wish cannot be met; "" stands for nothing. */
export const DEVICE_FALLBACKS = ['cpu'] as const;

/** The most options for one provider. */
export const PROVIDER_OPTIONS_MAX = 32;
/** An option's name, as ONNX Runtime spells them: `preferredLayout`, `fpa_intb_gemm`. */
export const PROVIDER_OPTION_NAME = /^[A-Za-z][A-Za-z0-9_.]{0,63}$/;
/** The longest value of an option. */
export const PROVIDER_OPTION_VALUE_MAX_CHARACTERS = 1024;
/** Options that choose the device: the worker's own setting does. */
export const RESERVED_PROVIDER_OPTIONS = ['deviceId', 'device_id'] as const;
