import type { Clock } from '../clock';
import type { Member } from './member';
import type { Members } from './members';
import { refusalSentence } from './refusal-sentence';

/** Shorter silences come with each change of a leader. */
const SILENCE_SHOWN_MS = 1_000;

/** Says what is known against the store, from what its members have said last. */
export class StoreTrouble {
  private readonly sinceMs = new Map<Member, number>();

  constructor(
    private readonly members: Members,
    private readonly clock: Clock,
  ) {
    members.onChange((member) => this.takeNote(member));
  }

  /** One sentence; undefined when all is well. */
  sentence(): string | undefined {
    const refused = this.members.all.find(({ state }) => state.kind === 'refused');
    if (refused?.state.kind === 'refused') return `${refused.state.error.message} (at ${refused.address})`;
    return this.silence() ?? this.alarm();
  }

  private silence(): string | undefined {
    const nowMs = this.clock.monotonicMs();
    const silent = this.members.all.map((member) => member.silentSinceMs ?? this.sinceMs.get(member));
    if (silent.includes(undefined)) return undefined;
    const forMs = nowMs - Math.max(...silent.map((sinceMs) => sinceMs ?? nowMs));
    return forMs < SILENCE_SHOWN_MS ? undefined : `${this.members.whyNone()}, for ${Math.round(forMs / 1_000)} s`;
  }

  private alarm(): string | undefined {
    const alarms = this.members.all.flatMap(({ alarms }) => alarms);
    if (alarms.some((alarm) => alarm.includes('NOSPACE'))) {
      return refusalSentence('no-space', '', { user: undefined, what: '' });
    }
    const other = alarms.find((alarm) => alarm.includes('alarm:'));
    return other === undefined ? undefined : `etcd warns: ${other}`;
  }

  private takeNote(member: Member): void {
    if (member.state.kind !== 'away') this.sinceMs.delete(member);
    else if (!this.sinceMs.has(member)) this.sinceMs.set(member, this.clock.monotonicMs());
  }
}
