import type { AnyBenchmark } from './benchmark';
import { liveness } from './liveness.bench';
import { manyModels } from './many-models.bench';

export const BENCHMARKS: readonly AnyBenchmark[] = [manyModels, liveness];
