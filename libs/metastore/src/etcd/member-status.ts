import type { etcd } from '@bms/contracts';
import type { CallOptions, Client } from '@bms/transport';
import { callFailure } from './call-failure';
import type { HistoryGuard } from './history-guard';

/** What asking for a status needs of a member. */
export interface AskedMember {
  readonly kv: Client<typeof etcd.KVDefinition>;
  readonly maintenance: Client<typeof etcd.MaintenanceDefinition>;
  callOptions(withinMs: number): CallOptions;
}

/** How a member does. */
export interface MemberStatus {
  /** Such as `3.4.23`; undefined where it does not tell us. */
  readonly version: string | undefined;
  readonly knowsLeader: boolean;
  /** What it says against itself, such as `alarm:NOSPACE`; undefined where it does not tell us. */
  readonly alarms: readonly string[] | undefined;
}

/**
 * Asks a member how it does. A current etcd with users tells that to its administrators only: then a read from its own data
 * shows that it lives and, as all our calls ask for one, that it knows a leader. Throws what calls throw, and HistoryReplacedError.
 */
export async function askStatus(
  member: AskedMember,
  guard: HistoryGuard,
  probeKey: Uint8Array,
  withinMs: number,
): Promise<MemberStatus> {
  try {
    const { header, version, leader, errors } = await member.maintenance.status({}, member.callOptions(withinMs));
    guard.observe(header);
    return { version, knowsLeader: leader !== 0n, alarms: errors };
  } catch (error) {
    const failure = callFailure(error);
    if (failure.kind !== 'refused' || failure.refusal !== 'permission') throw error;
  }
  const { header } = await member.kv.range(probe(probeKey, true), member.callOptions(withinMs));
  guard.observe(header);
  return { version: undefined, knowsLeader: true, alarms: undefined };
}

/**
 * The cheapest read there is, of one key that may exist or not.
 * @param serializable answered from the member's own data, however old; else only with what the leader knows
 */
export function probe(key: Uint8Array, serializable: boolean): etcd.RangeRequest {
  return { key, rangeEnd: new Uint8Array(0), limit: 1n, revision: 0n, serializable, keysOnly: true };
}
