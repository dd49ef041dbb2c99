import { setTimeout as sleep } from 'node:timers/promises';
import { EtcdProcess } from './etcd-process';
import { freePorts } from './free-ports';

/** Several etcds that are one store. */
export interface EtcdCluster {
  readonly members: readonly EtcdProcess[];
  /** `host:port` of each member, for clients. */
  readonly endpoints: readonly string[];
  /** The member that leads, by what the members say themselves; waits until there is one. */
  leader(): Promise<EtcdProcess>;
  dispose(): Promise<void>;
}

/** How long one member may take to say whether it leads; one that is stopped never does. */
const ANSWER_LIMIT_MS = 500;
const NONE = new Error('does not lead');

/** A new cluster whose members have found a leader. */
export async function startEtcdCluster(size: number, flags: readonly string[] = []): Promise<EtcdCluster> {
  const ports = await freePorts(2 * size);
  const plans = Array.from({ length: size }, (_, i) => ({
    name: `m${i}`,
    ports: { client: ports[2 * i] ?? 0, peer: ports[2 * i + 1] ?? 0 },
  }));
  const initialCluster = plans.map(({ name, ports: { peer } }) => `${name}=http://127.0.0.1:${peer}`).join(',');
  const members = await Promise.all(plans.map((plan) => EtcdProcess.prepare({ ...plan, initialCluster, flags })));
  const dispose = async (): Promise<void> => {
    await Promise.all(members.map((member) => member.dispose()));
  };
  try {
    await Promise.all(members.map((member) => member.start()));
    await leaderOf(members);
  } catch (error) {
    await dispose();
    throw error;
  }
  return { members, endpoints: members.map(({ endpoint }) => endpoint), leader: () => leaderOf(members), dispose };
}

async function leaderOf(members: readonly EtcdProcess[]): Promise<EtcdProcess> {
  for (;;) {
    const leading = members.map(async (member) => ((await saysThatItLeads(member)) ? member : Promise.reject(NONE)));
    const leader = await Promise.any(leading).catch(() => undefined);
    if (leader !== undefined) return leader;
    await sleep(50);
  }
}

async function saysThatItLeads(member: EtcdProcess): Promise<boolean> {
  if (!member.running) return false;
  const signal = AbortSignal.timeout(ANSWER_LIMIT_MS);
  const metrics = await fetch(`http://${member.endpoint}/metrics`, { signal })
    .then((answer) => answer.text())
    .catch(() => '');
  return /^etcd_server_is_leader 1$/m.test(metrics);
}
