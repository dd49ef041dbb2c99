import type { etcd } from '@bms/contracts';
import type { Client } from '@bms/transport';
import { HistoryReplacedError, StoreOpenError } from '../meta-store';
import type { AuthToken } from './auth-token';
import { callFailure } from './call-failure';
import type { HistoryGuard } from './history-guard';
import { requireWitness } from './history-witness';
import type { MemberState } from './member-state';
import { askStatus, probe, type AskedMember } from './member-status';
import { refusalSentence } from './refusal-sentence';

/** How long a member may take for each step; a check that fails is made again. */
const STEP_WITHIN_MS = 1_000;

export interface MemberCheck {
  readonly guard: HistoryGuard;
  readonly token: AuthToken;
  readonly probeKey: Uint8Array;
}

/** What of a member a check needs. */
export interface CheckedMember extends AskedMember {
  readonly address: string;
  readonly auth: Client<typeof etcd.AuthDefinition>;
  alarms: readonly string[];
  answered(): void;
  unanswered(): void;
}

/**
 * Whether a new connection may be used. Nothing else is sent over it before: who is there (a supported etcd), whether it lets us in, and, by a
 * linearizable read, whether it holds the data that we know, at least as far as we know them, and the last change of them.
 */
export async function checkMember(member: CheckedMember, check: MemberCheck): Promise<MemberState> {
  const { guard, token, probeKey } = check;
  const sent = token.current;
  try {
    if (token.missing) await token.renew(member.auth, sent);
    const before = guard.revision;
    const { version, alarms } = await askStatus(member, guard, probeKey, STEP_WITHIN_MS);
    if (version !== undefined && !isSupported(version)) {
      const error = new StoreOpenError(
        `etcd at ${member.address} has version ${version}: 3.4 or later is needed; upgrade it, or change --store`,
      );
      return { kind: 'refused', error };
    }
    member.alarms = alarms ?? member.alarms;
    const { header } = await member.kv.range(probe(probeKey, false), member.callOptions(STEP_WITHIN_MS));
    guard.observeLinearizable(header, before);
    await requireWitness(member, guard, STEP_WITHIN_MS);
    member.answered();
    return { kind: 'usable' };
  } catch (error) {
    return verdict(error, member, check, sent);
  }
}

async function verdict(
  error: unknown,
  member: CheckedMember,
  check: MemberCheck,
  token: string | undefined,
): Promise<MemberState> {
  if (error instanceof HistoryReplacedError) return { kind: 'refused', error };
  const failure = callFailure(error);
  switch (failure.kind) {
    case 'not-sent':
      return { kind: 'away', why: failure.why };
    case 'unanswered':
      member.unanswered();
      return { kind: 'away', why: failure.why };
    case 'token':
      return check.token
        .renew(member.auth, token)
        .then((): MemberState => ({ kind: 'away', why: failure.why }))
        .catch((again: unknown) => verdict(again, member, check, token));
    case 'refused': {
      const asked = { user: check.token.userName, what: Buffer.from(check.probeKey).toString('utf8') };
      return { kind: 'refused', error: new StoreOpenError(refusalSentence(failure.refusal, failure.why, asked)) };
    }
  }
}

/** 3.4 is the first whose watches can be split into fragments and whose leases hold through a change of the leader. */
function isSupported(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 3 || (major === 3 && minor >= 4);
}
