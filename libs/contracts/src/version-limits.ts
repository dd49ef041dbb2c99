/** What a version's config may ask for: the command line, the registry and the workers hold to the same. */

/** The most copies of a version; 0 stands for the mesh's default. */
export const REPLICAS_MAX = 1000;

/** The most threads inside one run; 0 stands for the worker's default. */
export const INTRA_OP_THREADS_MAX = 256;

/** How far ONNX Runtime rewrites the graph before it runs; "" stands for `all`. */
export const GRAPH_OPTIMIZATIONS = ['disabled', 'basic', 'extended', 'all'] as const;
export type GraphOptimization = (typeof GRAPH_OPTIMIZATIONS)[number];
