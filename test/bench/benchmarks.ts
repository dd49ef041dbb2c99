import type { AnyBenchmark } from './benchmark';
import { batching } from './batching.bench';
import { etcdClients } from './etcd-clients.bench';
import { liveness } from './liveness.bench';
import { manyModels } from './many-models.bench';
import { attacks } from './transport/attacks.bench';
import { latency } from './transport/latency.bench';
import { memory } from './transport/memory.bench';
import { mixedSizes } from './transport/mixed-sizes.bench';
import { realModels } from './transport/models.bench';
import { overheads } from './transport/overheads.bench';
import { replicas } from './transport/replicas.bench';
import { stalledCallers } from './transport/stalled-callers.bench';
import { throughput } from './transport/throughput.bench';
import { tlsCost } from './transport/tls.bench';

/** A name with a slash is a piece: all of a kind are run by what stands before it. */
export const BENCHMARKS: readonly AnyBenchmark[] = [
  ...[manyModels, liveness, etcdClients, batching],
  ...[throughput, latency, mixedSizes, replicas, overheads, memory, stalledCallers, attacks, tlsCost, realModels],
];
