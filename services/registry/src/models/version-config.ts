import {
  BmsError,
  GRAPH_OPTIMIZATIONS,
  INTRA_OP_THREADS_MAX,
  Reason,
  REPLICAS_MAX,
  type FieldViolation,
  type models as proto,
} from '@bms/contracts';
import type { VersionConfigRecord } from '../records/values';

/** Checks how a version is to be served. Throws INVALID_CONFIG that names every wrong field and what is allowed. */
export function checkVersionConfig(config: proto.VersionConfig | undefined): VersionConfigRecord {
  const { replicas = 0, intraOpThreads = 0, graphOptimization = '' } = config ?? {};
  const violations: FieldViolation[] = [];
  const refuse = (field: string, value: string | number, allowed: string): void => {
    violations.push({ field: `config.${field}`, description: `${JSON.stringify(value)} is not allowed: ${allowed}` });
  };
  if (replicas < 0 || replicas > REPLICAS_MAX) {
    refuse('replicas', replicas, `1 to ${REPLICAS_MAX} workers, or 0 for the mesh's default`);
  }
  if (intraOpThreads < 0 || intraOpThreads > INTRA_OP_THREADS_MAX) {
    refuse('intra_op_threads', intraOpThreads, `1 to ${INTRA_OP_THREADS_MAX} threads, or 0 for the worker's default`);
  }
  if (graphOptimization !== '' && !(GRAPH_OPTIMIZATIONS as readonly string[]).includes(graphOptimization)) {
    refuse(
      'graph_optimization',
      graphOptimization.slice(0, 60),
      `one of ${GRAPH_OPTIMIZATIONS.join(', ')}, or "" for all`,
    );
  }
  if (violations.length > 0) {
    const sentence = violations.map(({ field, description }) => `${field}: ${description}`).join('; ');
    throw new BmsError(Reason.INVALID_CONFIG, sentence, { violations });
  }
  return {
    replicas,
    intraOpThreads,
    graphOptimization,
    device: config?.device ?? '',
    fallback: config?.fallback ?? '',
    providerOptions: Object.fromEntries(
      Object.entries(config?.providerOptions ?? {}).map(([name, { options }]) => [name, options]),
    ),
  };
}
