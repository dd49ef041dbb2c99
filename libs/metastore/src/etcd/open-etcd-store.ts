import type { TlsFiles } from '@bms/transport';
import { systemClock, type Clock } from '../clock';
import { keyBytes } from '../key-bytes';
import { StoreOpenError } from '../meta-store';
import { AuthToken, type EtcdUser } from './auth-token';
import { diagnoseEndpoint } from './endpoint-diagnosis';
import { EtcdMetaStore } from './etcd-meta-store';
import { HistoryGuard } from './history-guard';
import { LeaseKeeper } from './lease-keeper';
import { Member } from './member';
import { Members } from './members';
import { checkEndpoint } from './store-address';
import { UnaryCalls } from './unary-calls';

export interface EtcdStoreOptions {
  /** `host:port` each; several are members of one cluster. */
  readonly endpoints: readonly string[];
  /** Encrypts the connections; plain by default. */
  readonly tls?: TlsFiles | undefined;
  /** Who we are; nobody by default. */
  readonly user?: EtcdUser | undefined;
  /** Where all keys are that will be used: whether the user may read there shows when the store is opened. All keys by default. */
  readonly prefix?: string | undefined;
  /** How long etcd may take to answer at first; 10 s by default. */
  readonly openTimeoutMs?: number | undefined;
  /** Calls the opening off. */
  readonly signal?: AbortSignal | undefined;
  /** The system's own by default. */
  readonly clock?: Clock | undefined;
}

const OPEN_TIMEOUT_MS = 10_000;
/** How often it is asked why there is no connection, while there is none. */
const DIAGNOSE_EVERY_MS = 500;

/**
 * Resolves once one of the endpoints has shown whose data it holds. Throws StoreOpenError, one sentence that names the setting to change: at
 * once where waiting does not help (a certificate, a password, a version), else after `openTimeoutMs`. Throws the signal's reason.
 */
export async function openEtcdStore(options: EtcdStoreOptions): Promise<EtcdMetaStore> {
  const { endpoints, clock = systemClock } = options;
  if (endpoints.length === 0) throw new StoreOpenError('--store names no endpoint');
  for (const endpoint of endpoints) requireEndpoint(endpoint);
  const guard = new HistoryGuard();
  const token = new AuthToken(options.user);
  const probeKey = options.prefix === undefined || options.prefix === '' ? new Uint8Array(1) : keyBytes(options.prefix);
  const shared = { tls: options.tls, guard, token, clock, probeKey };
  const members = new Members(clock, (onChange, onFailed) =>
    endpoints.map((address) => new Member({ ...shared, address, onChange, onFailed })),
  );
  try {
    for (const member of members.all) member.connect();
    await firstAnswer(members, options, clock);
  } catch (error) {
    members.close();
    members.disconnect();
    throw error;
  }
  const calls = new UnaryCalls(members, guard, token, clock, probeKey);
  const leases = new LeaseKeeper({ members, guard, token, clock });
  const clusterId = guard.known?.clusterId ?? '';
  return new EtcdMetaStore({ endpoints, clusterId, members, guard, token, calls, leases, clock });
}

async function firstAnswer(members: Members, options: EtcdStoreOptions, clock: Clock): Promise<void> {
  const { openTimeoutMs = OPEN_TIMEOUT_MS, signal, tls } = options;
  const untilMs = clock.monotonicMs() + openTimeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    if (members.best !== undefined) return;
    const refusal = members.refusal();
    if (refusal !== undefined) throw refusal;
    await members.change(DIAGNOSE_EVERY_MS, signal);
    if (members.best !== undefined) return;
    const reasons = await Promise.all(members.all.map(({ address }) => diagnoseEndpoint(address, tls)));
    const final = reasons.find((reason) => reason?.final === true);
    if (final !== undefined) throw new StoreOpenError(final.sentence);
    if (clock.monotonicMs() >= untilMs) {
      const sentence =
        reasons.find((reason) => reason !== undefined)?.sentence ?? `${members.whyNone()}: check --store`;
      throw new StoreOpenError(sentence, { mayHelpToWait: true });
    }
  }
}

function requireEndpoint(endpoint: string): void {
  try {
    checkEndpoint(endpoint);
  } catch (error) {
    throw new StoreOpenError(`--store: ${(error as Error).message}`);
  }
}
