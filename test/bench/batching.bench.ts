import { BareSession } from './batching/bare-session';
import { WIDTHS, writePerceptron } from './batching/bench-model';
import { heldUpBy } from './batching/held-up';
import { listCosts } from './batching/lists';
import { LoadedStack, type Load } from './batching/loaded-stack';
import { sideBySide } from './batching/side-by-side';
import { defineBenchmark, type Figure, type Table } from './benchmark';
import { percentile, rounded } from './percentiles';

const SIZES = [1, 2, 4, 8, 16, 32, 64];
/** Of the unbatched peak, where the latencies of both are compared. */
const SHARE_OF_PEAK = 0.8;

/** What one round measured. */
interface Round {
  readonly bareUsPerRow: ReadonlyMap<number, number>;
  readonly joined: Load;
  readonly single: Load;
  readonly joinedOpen: Load;
  readonly singleOpen: Load;
  readonly two: Load;
}

export const batching = defineBenchmark({
  name: 'batching',
  about: 'what batches, lists and threads win on a perceptron, against ONNX Runtime in a bare loop',
  knobs: {
    callers: { about: 'requests in flight', value: 128, tiny: 8 },
    seconds: { about: 'how long each is measured', value: 3, tiny: 1 },
    rounds: { about: 'how often all is measured in turn; medians count', value: 3, tiny: 1 },
  },
  stores: ['embedded'],
  run: async ({ callers, seconds, rounds }, { folder, say, atEnd }) => {
    const forMs = seconds * 1_000;
    // First, since what the others remember makes each collection of garbage longer.
    const heldUp = await heldUpBy(folder, [1, 16, 60], forMs / 2);
    const lists = await listCosts(folder, [1, 8, 32], forMs / 2);
    const model = await writePerceptron(folder);
    const bare = await BareSession.of(model);
    const [joined, single, two] = [
      await LoadedStack.of(model, {}),
      await LoadedStack.of(model, { mode: 'off' }),
      await LoadedStack.of(model, { executors: 2 }),
    ];
    atEnd(async () => void (await Promise.all([bare, joined, single, two].map((side) => side.close()))));
    const { bestRows } = joined.servable.batching.plan;
    const sizes = [...new Set([...SIZES, bestRows])].sort((one, other) => one - other);
    const measured: Round[] = [];
    for (let round = 0; round < rounds; round++) {
      const bareUsPerRow = new Map<number, number>();
      for (const rows of sizes) bareUsPerRow.set(rows, await bare.microsPerRow(rows, forMs / 10));
      const [joinedLoad, singleLoad] = [
        await joined.closedLoop(callers, forMs),
        await single.closedLoop(callers, forMs),
      ];
      const rate = SHARE_OF_PEAK * singleLoad.perSecond;
      measured.push({
        ...{ bareUsPerRow, joined: joinedLoad, single: singleLoad },
        joinedOpen: await joined.openLoop(rate, forMs),
        singleOpen: await single.openLoop(rate, forMs),
        two: await two.closedLoop(callers, forMs),
      });
      say(
        `round ${round + 1} of ${rounds}: ${JSON.stringify({ ...measured.at(-1), bareUsPerRow: [...bareUsPerRow] })}`,
      );
    }
    const threads = await sideBySide(model, bestRows, [1, 2], rounds, forMs / 2);
    const threadRate = (count: number): number =>
      percentile(
        threads.filter(({ executors }) => executors === count).map(({ rowsPerSecond }) => rowsPerSecond),
        0.5,
      );
    return {
      tables: [
        sizesTable(measured, joined, sizes),
        loadTable(measured, callers),
        {
          title: `executors side by side, each with runs of ${bestRows} rows and no callers`,
          columns: ['executors', 'rows/s'],
          rows: [1, 2].map((count) => [count, rounded(threadRate(count), 0)]),
        },
        {
          title: 'one message to a thread for several runs of a model that takes no time',
          columns: ['runs a message', 'runs/s', 'CPU a run, µs'],
          rows: lists.map((one) => [one.runsPerMessage, rounded(one.runsPerSecond, 0), rounded(one.cpuUsPerRun)]),
        },
        {
          title: 'how long the thread with the sockets stands still for one large request after the other',
          columns: ['input, MiB', 'p99, ms', 'longest, ms'],
          rows: heldUp.map((one) => [one.inputMiB, rounded(one.p99Ms), rounded(one.longestMs)]),
        },
      ],
      figures: figuresOf(measured, joined, callers),
    };
  },
});

function median(rounds: readonly Round[], read: (round: Round) => number): number {
  return percentile(rounds.map(read), 0.5);
}

function sizesTable(rounds: readonly Round[], { servable }: LoadedStack, sizes: readonly number[]): Table {
  const { profile, plan } = servable.batching;
  return {
    title: `perceptron ${WIDTHS.join('-')}: µs a row by the rows of a run (this worker runs ${plan.bestRows})`,
    columns: ['rows', 'bare loop', "worker's profile"],
    rows: sizes.map((rows) => [
      rows,
      rounded(median(rounds, ({ bareUsPerRow }) => bareUsPerRow.get(rows) ?? NaN)),
      rounded((profile.runMs(rows) * 1_000) / rows),
    ]),
  };
}

function loadTable(rounds: readonly Round[], callers: number): Table {
  const row = (what: string, read: (round: Round) => Load): (string | number)[] => {
    const of = (field: keyof Load): number => median(rounds, (round) => read(round)[field]);
    return [
      ...[what, rounded(of('perSecond'), 0), rounded(of('meanRows')), rounded(of('executorUsPerRow'))],
      ...[rounded(of('busyShare'), 2), rounded(of('p50Ms'), 2), rounded(of('p99Ms'), 2)],
    ];
  };
  return {
    title: 'requests of one row, from the queue to the answer',
    columns: ['load', 'rows/s', 'rows a run', 'executor, µs/row', 'executors busy', 'p50, ms', 'p99, ms'],
    rows: [
      row(`${callers} in flight, joined`, ({ joined }) => joined),
      row(`${callers} in flight, one by one`, ({ single }) => single),
      row(`${callers} in flight, joined, two executors`, ({ two }) => two),
      row('80% of the peak one by one, joined', ({ joinedOpen }) => joinedOpen),
      row('80% of the peak one by one, one by one', ({ singleOpen }) => singleOpen),
    ],
  };
}

function figuresOf(rounds: readonly Round[], { servable }: LoadedStack, callers: number): readonly Figure[] {
  const { profile, plan } = servable.batching;
  const pace = (rows: number): number => rows / profile.runMs(rows);
  const best = Math.max(...profile.points.map(({ rows }) => pace(rows)));
  const toBare = median(rounds, ({ joined, bareUsPerRow }) => {
    return joined.executorUsPerRow / (bareUsPerRow.get(plan.bestRows) ?? NaN);
  });
  const toBestPace = pace(plan.bestRows) / best;
  const p99 = median(rounds, ({ joinedOpen, singleOpen }) => joinedOpen.p99Ms / singleOpen.p99Ms);
  const gain = median(rounds, ({ joined, single }) => joined.perSecond / single.perSecond);
  const busy = median(rounds, ({ joined }) => joined.busyShare);
  return [
    figure(`executor µs/row ÷ bare loop at that size, ${callers} in flight`, toBare, '≤ 1.1', toBare <= 1.1),
    figure('pace of the size that is run ÷ best profiled', toBestPace, '≥ 0.95', toBestPace >= 0.95),
    figure('p99 joined ÷ one by one, at 80% of the peak one by one', p99, '≤ 1', p99 <= 1),
    figure('rows/s joined ÷ one by one', gain, 'reported', Number.isFinite(gain)),
    figure('time in run() ÷ (executors × wall), joined', busy, 'reported', Number.isFinite(busy)),
  ];
}

function figure(what: string, value: number, wanted: string, met: boolean): Figure {
  return { what, measured: String(rounded(value, 2)), wanted, met };
}
