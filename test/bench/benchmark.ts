/** Figures beside each other; the first row is the head. */
export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

/** What was measured beside what is wanted of it. */
export interface Figure {
  readonly what: string;
  /** How it is computed from what was measured, where that does not go without saying. */
  readonly how?: string;
  readonly measured: string;
  readonly wanted: string;
  /** undefined: it could not be measured here, and `measured` says why. */
  readonly met: boolean | undefined;
}

/** Lines over a common axis. */
export interface Plot {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  /** Where values lie orders of magnitude apart. */
  readonly logarithmic: boolean;
  /** Names of the places on the axis, from left to right. */
  readonly places: readonly string[];
  /** Values by place; NaN where there is none. */
  readonly lines: readonly { readonly name: string; readonly values: readonly number[] }[];
}

export interface BenchmarkResult {
  readonly tables: readonly Table[];
  readonly figures: readonly Figure[];
  readonly plots?: readonly Plot[];
}

/** A number that a benchmark can be told, and what it is by itself. */
export interface Knob {
  readonly about: string;
  readonly value: number;
  /** As small as still makes sense: for the test that benchmarks run at all. */
  readonly tiny: number;
}

export type Knobs = Readonly<Record<string, Knob>>;
export type KnobValues<K extends Knobs> = { readonly [Name in keyof K]: number };

/** What a run is given. */
export interface BenchmarkContext {
  /** Its own folder, gone after the run. */
  readonly folder: string;
  /** Where the mesh's metadata is kept. */
  readonly store: StoreChoice;
  /** What goes on, for people; not part of the result. */
  readonly say: (line: string) => void;
  /** Called after the run, however it ends, the last one first. */
  readonly atEnd: (cleanUp: () => void | Promise<void>) => void;
}

export type StoreChoice = 'embedded' | 'etcd';

export interface Benchmark<K extends Knobs = Knobs> {
  /** As it is called on the command line. */
  readonly name: string;
  readonly about: string;
  readonly knobs: K;
  readonly stores: readonly StoreChoice[];
  run(knobs: KnobValues<K>, context: BenchmarkContext): Promise<BenchmarkResult>;
}

/** As it is listed: what a run is told was checked against its knobs. */
export type AnyBenchmark = Omit<Benchmark, 'run'> & {
  run(knobs: Readonly<Record<string, number>>, context: BenchmarkContext): Promise<BenchmarkResult>;
};

/** Knows the knobs by name inside, and is any benchmark outside. */
export function defineBenchmark<K extends Knobs>(benchmark: Benchmark<K>): AnyBenchmark {
  return { ...benchmark, run: (knobs, context) => benchmark.run(knobs as KnobValues<K>, context) };
}
