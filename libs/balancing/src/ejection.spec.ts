import {
  DISCONNECTED,
  EJECTION_MAX_MS,
  ejectionAfter,
  IN,
  onProbation,
  type Ejection,
  type ReplicaEvent,
} from './ejection';

/** The verdict after events, each at its time. */
function after(events: readonly (readonly [ReplicaEvent, number])[], start: Ejection = IN): Ejection {
  return events.reduce((verdict, [event, atMs]) => ejectionAfter(verdict, event, atMs), start);
}

const threeFailures = (atMs: number) => [1, 2, 3].map(() => ['failed', atMs] as const);

describe('ejectionAfter', () => {
  it.each<[string, readonly (readonly [ReplicaEvent, number])[], Partial<Ejection>]>([
    [
      'stays in after two failures',
      [
        ['failed', 0],
        ['failed', 1],
      ],
      { kind: 'in' },
    ],
    ['ejects for a second after three failures in a row', threeFailures(10), { kind: 'ejected', untilMs: 1_010 }],
    [
      'starts to count again after an answer',
      [
        ['failed', 0],
        ['failed', 0],
        ['answered', 0],
        ['failed', 0],
        ['failed', 0],
      ],
      { kind: 'in' },
    ],
    ['is out at once when the connection is lost', [['connection-lost', 0]], { kind: 'disconnected' }],
    [
      'is in again as soon as the connection is ready',
      [
        ['connection-lost', 0],
        ['connection-ready', 1],
      ],
      { kind: 'in' },
    ],
    [
      'does not count failures without a connection',
      [['connection-lost', 0], ...threeFailures(0), ['connection-ready', 1]],
      { kind: 'in' },
    ],
    [
      'lets a new connection end an ejection',
      [...threeFailures(0), ['connection-lost', 1], ['connection-ready', 2]],
      { kind: 'in' },
    ],
    [
      'does not prolong an ejection for calls that were on their way',
      [...threeFailures(0), ['failed', 500]],
      { kind: 'ejected', untilMs: 1_000 },
    ],
    [
      'does not end an ejection for an answer that was on its way',
      [...threeFailures(0), ['answered', 500]],
      { kind: 'ejected', untilMs: 1_000 },
    ],
    ['takes in after an answer on probation', [...threeFailures(0), ['answered', 1_000]], { kind: 'in' }],
    [
      'ejects for twice as long after one failure on probation',
      [...threeFailures(0), ['failed', 1_000]],
      { kind: 'ejected', untilMs: 3_000 },
    ],
    [
      'remembers ejections of late',
      [...threeFailures(0), ['answered', 1_000], ...threeFailures(2_000)],
      { kind: 'ejected', untilMs: 4_000 },
    ],
    [
      'forgets ejections of long ago',
      [...threeFailures(0), ['answered', 1_000], ...threeFailures(90_000)],
      { kind: 'ejected', untilMs: 91_000 },
    ],
  ])('%s', (_name, events, verdict) => {
    expect(after(events)).toMatchObject(verdict);
  });

  it('doubles the time up to a minute', () => {
    let verdict = after(threeFailures(0));
    const durations: number[] = [];
    for (let round = 0; round < 9 && verdict.kind === 'ejected'; round++) {
      const atMs: number = verdict.untilMs;
      verdict = ejectionAfter(verdict, 'failed', atMs);
      if (verdict.kind === 'ejected') durations.push(verdict.untilMs - atMs);
    }
    expect(durations).toEqual([2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000, 60_000]);
    expect(EJECTION_MAX_MS).toBe(60_000);
  });

  it('answers the same object when nothing changes', () => {
    expect(ejectionAfter(IN, 'answered', 1)).toBe(IN);
    expect(ejectionAfter(IN, 'connection-ready', 1)).toBe(IN);
    expect(ejectionAfter(DISCONNECTED, 'connection-lost', 1)).toBe(DISCONNECTED);
  });

  it('says when the probation begins', () => {
    const verdict = after(threeFailures(0));
    expect([999, 1_000].map((nowMs) => onProbation(verdict, nowMs))).toEqual([false, true]);
    expect(onProbation(IN, 0)).toBe(false);
  });
});
