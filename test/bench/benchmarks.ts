import type { AnyBenchmark } from './benchmark';
import { etcdClients } from './etcd-clients.bench';
import { liveness } from './liveness.bench';
import { manyModels } from './many-models.bench';
import { latency } from './transport/latency.bench';
import { mixedSizes } from './transport/mixed-sizes.bench';
import { throughput } from './transport/throughput.bench';

export const BENCHMARKS: readonly AnyBenchmark[] = [manyModels, liveness, etcdClients, throughput, latency, mixedSizes];
