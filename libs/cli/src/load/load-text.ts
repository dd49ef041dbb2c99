import { bar, type CharacterSet } from '../character-set';
import { formatCount } from '../format-time';
import { printable, table } from '../table';
import type { LoadResult, SecondReport } from './load-run';
import type { LoadTally } from './load-tally';

const BAR_CELLS = 24;

/** What a load is, for people. */
export interface LoadTitle {
  /** `digits@2`. */
  readonly model: string;
  readonly ratePerSecond: number;
  readonly seconds: number;
}

/** A second in one line. */
export function secondLine({ second, window, total, underWay }: SecondReport): string {
  const workers = [...total.workers.keys()].map((worker) => `${nameOf(worker)} ${window.workers.get(worker) ?? 0}`);
  return [
    `${String(second).padStart(4)} s`,
    `requests ${window.sent}`,
    `failed ${window.failed}`,
    `wrong ${window.wrong}`,
    `p50 ${milliseconds(window.latencies.percentileMs(0.5))}`,
    `p99 ${milliseconds(window.latencies.percentileMs(0.99))}`,
    ...(window.triedAgain > 0 ? [`tried again ${window.triedAgain}`] : []),
    ...(underWay > window.sent ? [`under way ${underWay}`] : []),
    `answers ${workers.join(', ') || 'none'}`,
  ].join('  ');
}

/** The whole state in a block of lines that is drawn over itself. */
export function liveBlock(report: SecondReport, title: LoadTitle, characters: CharacterSet): readonly string[] {
  const { second, window, total, underWay } = report;
  const columns = [
    { title: '', cell: (row: Row) => row.name },
    { title: 'REQUESTS', cell: (row: Row) => formatCount(row.tally.sent), align: 'right' as const },
    { title: 'FAILED', cell: (row: Row) => formatCount(row.tally.failed), align: 'right' as const },
    { title: 'WRONG', cell: (row: Row) => formatCount(row.tally.wrong), align: 'right' as const },
    { title: 'TRIED AGAIN', cell: (row: Row) => formatCount(row.tally.triedAgain), align: 'right' as const },
    { title: 'P50', cell: (row: Row) => milliseconds(row.tally.latencies.percentileMs(0.5)), align: 'right' as const },
    { title: 'P99', cell: (row: Row) => milliseconds(row.tally.latencies.percentileMs(0.99)), align: 'right' as const },
  ];
  const rows = [
    { name: 'this second', tally: window },
    { name: 'since the start', tally: total },
  ];
  return [
    `${title.model} at ${title.ratePerSecond}/s: second ${second} of ${title.seconds}, ${underWay} under way (Ctrl-C ends it)`,
    ...table<Row>(rows, columns).split('\n'),
    ...workerLines(window, total, characters),
  ];
}

interface Row {
  readonly name: string;
  readonly tally: LoadTally;
}

/** A line a worker that has ever answered: its share of the second, also when that is nothing. */
function workerLines(window: LoadTally, total: LoadTally, characters: CharacterSet): readonly string[] {
  const rows = [...total.workers].map(([worker, answers]) => {
    const now = window.workers.get(worker) ?? 0;
    const share = window.answered === 0 ? 0 : now / window.answered;
    return { worker: nameOf(worker), now, answers, bar: bar(share, BAR_CELLS, characters).padEnd(BAR_CELLS) };
  });
  return table(rows, [
    { title: 'WORKER', cell: ({ worker }) => worker },
    { title: 'SHARE OF THIS SECOND', cell: (row) => row.bar },
    { title: 'ANSWERS', cell: ({ now }) => formatCount(now), align: 'right' },
    { title: 'SINCE THE START', cell: ({ answers }) => formatCount(answers), align: 'right' },
  ]).split('\n');
}

/** What it all came to. */
export function summaryText({ total, tookMs, abandoned }: LoadResult, trustedVersions: readonly number[]): string {
  const { latencies, lateness } = total;
  return [
    `Sent ${formatCount(total.sent)} requests in ${(tookMs / 1000).toFixed(1)} s: ${formatCount(total.right)} right answers, ` +
      `${formatCount(total.failed)} failed, ${formatCount(total.wrong)} wrong`,
    `Latency, from when a request was due: p50 ${milliseconds(latencies.percentileMs(0.5))}, ` +
      `p99 ${milliseconds(latencies.percentileMs(0.99))}, longest ${milliseconds(latencies.maxMs)}`,
    ...sharesLine('Answers by worker', total.workers, nameOf),
    ...sharesLine('Answers by version', total.versions, String),
    ...(total.triedAgain > 0 ? [`Took more than one attempt: ${formatCount(total.triedAgain)}`] : []),
    ...(abandoned > 0 ? [`Still under way when it was ended: ${formatCount(abandoned)}`] : []),
    ...(trustedVersions.length > 0
      ? [`Version ${trustedVersions.join(', ')}: compared with its own first answers`]
      : []),
    ...(lateness.percentileMs(0.99) > LATE_MS
      ? [
          `p99 of the requests were sent ${milliseconds(lateness.percentileMs(0.99))} late: this machine is busy, or the limit was reached`,
        ]
      : []),
    ...[...total.failures].map(
      ([reason, { count, example }]) => `${formatCount(count)} × ${reason}: ${printable(example)}`,
    ),
    ...(total.firstDifference === undefined ? [] : [`First wrong answer: ${printable(total.firstDifference)}`]),
  ].join('\n');
}

/** Beyond what timers and a turn of the event loop take. */
const LATE_MS = 20;

function sharesLine<Key>(title: string, counts: ReadonlyMap<Key, number>, name: (key: Key) => string): string[] {
  if (counts.size === 0) return [];
  return [`${title}: ${[...counts].map(([key, count]) => `${name(key)} ${formatCount(count)}`).join(', ')}`];
}

function nameOf(worker: string): string {
  return worker === '' ? '(does not say)' : worker;
}

/** `-` where there is no latency to speak of. */
function milliseconds(ms: number): string {
  if (Number.isNaN(ms)) return '-';
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}
