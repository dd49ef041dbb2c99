import type { VersionId } from '@bms/contracts';
import { nextAction, type Action, type PresentReplica } from './next-action';
import type { ReplicaPhase } from './replica-phase';
import { wanted } from './wanted-version.testkit';

const NOW_MS = 1_000;
const [a, b, c] = [wanted('a', 1), wanted('b', 1), wanted('c', 1)];
const suspect = wanted('suspect', 1);
const isSuspect = (version: typeof a): boolean => version === suspect;
const loading: ReplicaPhase = { kind: 'loading' };
const warming: ReplicaPhase = { kind: 'warming' };
const ready: ReplicaPhase = { kind: 'ready', memoryBytes: 1, unwarmed: undefined, provider: 'cpu', fellBack: false };
const draining: ReplicaPhase = { kind: 'draining', memoryBytes: 1 };
const failed = (retryAtMs: number | undefined): ReplicaPhase => ({
  kind: 'failed',
  reason: 'no',
  failures: 1,
  retryAtMs,
});

type Present = readonly (readonly [typeof a, ReplicaPhase, string?])[];

describe('nextAction', () => {
  it.each<[string, readonly (typeof a)[], Present, Action]>([
    ['rests when nothing is desired or present', [], [], { kind: 'rest' }],
    [
      'rests when all that is desired is ready',
      [a, b],
      [
        [a, ready],
        [b, ready],
      ],
      { kind: 'rest' },
    ],
    ['loads what is absent', [a, b], [[a, ready]], { kind: 'load', wanted: b }],
    ['loads a second one beside the first', [a, b], [[a, warming]], { kind: 'load', wanted: b }],
    [
      'loads no third one beside two',
      [a, b, c],
      [
        [a, warming],
        [b, loading],
      ],
      { kind: 'rest' },
    ],
    ['drops what is ready and not desired', [], [[a, ready]], { kind: 'drop', id: a.id }],
    ['drops what loads and is not desired any more', [], [[a, loading]], { kind: 'drop', id: a.id }],
    ['forgets what failed and is not desired any more', [], [[a, failed(undefined)]], { kind: 'drop', id: a.id }],
    ['drops before it loads, so that there is room', [b], [[a, ready]], { kind: 'drop', id: a.id }],
    ['drops what is held otherwise than it is desired', [a], [[a, ready, 'other files']], { kind: 'drop', id: a.id }],
    ['waits for a drain to end before it loads the same version again', [a], [[a, draining]], { kind: 'rest' }],
    ['drops nothing twice', [], [[a, draining]], { kind: 'rest' }],
    [
      'waits until a failed one may be tried again',
      [a],
      [[a, failed(NOW_MS + 5)]],
      { kind: 'wait', untilMs: NOW_MS + 5 },
    ],
    [
      'waits for the first of several',
      [a, b],
      [
        [a, failed(NOW_MS + 9)],
        [b, failed(NOW_MS + 5)],
      ],
      { kind: 'wait', untilMs: NOW_MS + 5 },
    ],
    ['tries a failed one again when it is time', [a], [[a, failed(NOW_MS)]], { kind: 'load', wanted: a }],
    ['never tries again what is held back', [a], [[a, failed(undefined)]], { kind: 'rest' }],
    ['is not stopped by one that failed', [a, b], [[a, failed(NOW_MS + 5)]], { kind: 'load', wanted: b }],
    [
      'tries no failed one again while two load',
      [a, b, c],
      [
        [a, failed(0)],
        [b, loading],
        [c, warming],
      ],
      { kind: 'rest' },
    ],
    ['loads a suspect last', [suspect, a], [], { kind: 'load', wanted: a }],
    ['loads no suspect beside another', [suspect, a], [[a, loading]], { kind: 'rest' }],
    ['loads a suspect alone', [suspect, a], [[a, ready]], { kind: 'load', wanted: suspect }],
    ['loads nothing beside a suspect', [suspect, a], [[suspect, warming]], { kind: 'rest' }],
  ])('%s', (_, desired, present, expected) => {
    const replicas = new Map<VersionId, PresentReplica>(
      present.map(([version, phase, fingerprint]) => [
        version.id,
        { phase, fingerprint: fingerprint ?? version.fingerprint },
      ]),
    );
    const action = nextAction(new Map(desired.map((version) => [version.id, version])), replicas, NOW_MS, isSuspect);
    expect(action).toEqual(expected);
  });
});
