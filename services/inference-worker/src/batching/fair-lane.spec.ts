import { models } from '@bms/contracts';
import { FakeExecutor } from '../servables/fake-executor.testkit';
import { QueuedPrediction } from '../servables/queued-prediction';
import { Servable } from '../servables/servable';
import { CallerShares } from './caller-shares';
import { FairLane } from './fair-lane';
import { runsBefore, urgencyClass } from './service-order';

const servable = new Servable(
  models.VersionRef.create({ tenant: 't', model: 'm', version: 1n }),
  models.Signature.create({}),
  new FakeExecutor(),
);
let arrivals = 0;

function entry(caller: string, deadlineMs?: number, rows = 1): QueuedPrediction {
  const inputs = [{ name: 'x', datatype: 'UINT8', shape: [rows], data: new Uint8Array(rows) } as const];
  const { signal } = new AbortController();
  const request = { inputs, outputs: ['y'] };
  arrivals += 1;
  return new QueuedPrediction({ servable, request, deadlineMs, signal, caller }, arrivals, arrivals, 0);
}

/** Serves the next one, at a cost of one a row. */
function take(lane: FairLane, nowMs = 0): QueuedPrediction | undefined {
  const next = lane.next(nowMs)?.entry;
  if (next !== undefined) lane.serve(next, next.rows);
  return next;
}

/** Who is served, in order. */
function served(lane: FairLane, nowMs = 0): string[] {
  const callers: string[] = [];
  for (let next = take(lane, nowMs); next !== undefined; next = take(lane, nowMs)) callers.push(next.call.caller);
  return callers;
}

function laneOf(...entries: QueuedPrediction[]): FairLane {
  const lane = new FairLane(new CallerShares());
  for (const one of entries) lane.push(one);
  return lane;
}

describe('FairLane', () => {
  it("serves one caller's requests by their deadlines, then by their arrival", () => {
    const entries = [entry('a', 900), entry('a', 500), entry('a', 900), entry('a', 20)];
    const lane = laneOf(...entries);
    const order = entries.map(() => entries.indexOf(take(lane) as QueuedPrediction));
    expect(order).toEqual([3, 1, 0, 2]);
  });

  it('serves callers in turn although one of them came first with many', () => {
    const flood = Array.from({ length: 4 }, () => entry('flood', 1_000));
    const lane = laneOf(...flood, entry('one', 1_010), entry('two', 1_020));
    expect(served(lane)).toEqual(['flood', 'one', 'two', 'flood', 'flood', 'flood']);
  });

  it('counts rows, not requests', () => {
    const lane = laneOf(entry('big', 1_000, 4), entry('big', 1_000, 4));
    for (let at = 0; at < 5; at++) lane.push(entry('small', 1_000));
    expect(served(lane).join(' ')).toBe('big small small small small big small');
  });

  it('gives nobody credit for the time in which nothing of theirs waited', () => {
    const lane = laneOf(...Array.from({ length: 6 }, () => entry('busy', 1_000)));
    for (let at = 0; at < 3; at++) take(lane);
    for (let at = 0; at < 3; at++) lane.push(entry('late', 1_000));
    expect(
      served(lane)
        .slice(0, 4)
        .filter((caller) => caller === 'late'),
    ).toHaveLength(2);
  });

  it('serves a deadline that is much nearer before its turn, and one that is about as near in turn', () => {
    const lane = laneOf(entry('calm', 10_000), entry('calm', 10_000), entry('urgent', 50), entry('urgent', 60));
    expect(served(lane)).toEqual(['urgent', 'urgent', 'calm', 'calm']);
  });

  it('lets a deadline become urgent as time passes', () => {
    const lane = laneOf(entry('calm', 10_000), entry('soon', 9_000), entry('soon', 9_000));
    take(lane);
    expect(lane.next(0)?.entry.call.caller).toBe('calm');
    expect(lane.next(8_950)?.entry.call.caller).toBe('soon');
  });

  it('knows its rows, its oldest and its earliest deadline, also after one left', () => {
    const [first, second] = [entry('a', 500, 2), entry('b', 300, 3)];
    const lane = laneOf(first, second);
    expect([lane.size, lane.rows, lane.oldest === first, lane.earliestDueMs]).toEqual([2, 5, true, 300]);
    expect([lane.remove(first), lane.remove(first)]).toEqual([true, false]);
    expect([lane.size, lane.rows, lane.oldest === second]).toEqual([1, 3, true]);
    lane.remove(second);
    expect([lane.next(0), lane.earliestDueMs]).toEqual([undefined, Infinity]);
  });

  it("counts as ahead of a request only its caller's own that are due before it", () => {
    const lane = laneOf(entry('a', 500, 2), entry('a', 700, 3), entry('b', 100, 9));
    expect([entry('a', 800), entry('a', 600), entry('c', 800)].map((one) => lane.rowsAheadOf(one))).toEqual([5, 0, 0]);
  });
});

describe('CallerShares', () => {
  it('are one over several lanes', () => {
    const shares = new CallerShares();
    const [one, other] = [new FairLane(shares), new FairLane(shares)];
    const flood = Array.from({ length: 3 }, () => entry('flood', 1_000));
    for (const each of flood) one.push(each);
    one.serve(flood[0] as QueuedPrediction, 1);
    other.push(entry('new', 1_010));
    const [first, second] = [one.next(0), other.next(0)];
    expect(first !== undefined && second !== undefined && runsBefore(second, first, 0)).toBe(true);
  });

  it('are forgotten once nothing of the caller waits', () => {
    const shares = new CallerShares();
    shares.enter('a');
    shares.serve('a', 5);
    shares.leave('a');
    shares.enter('b');
    expect([shares.served('a'), shares.served('b')]).toEqual([0, 0]);
  });
});

describe('urgencyClass', () => {
  it('is wider the further a deadline is', () => {
    expect([-5, 0, 15, 16, 31, 32, 1_000, 30_000].map(urgencyClass)).toEqual([0, 0, 0, 1, 1, 2, 6, 11]);
  });
});
