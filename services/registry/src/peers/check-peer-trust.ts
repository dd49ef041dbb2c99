import { bearer, type ServiceToken } from '@bms/auth';
import { BmsError, CallMetadata, peerService, Reason } from '@bms/contracts';
import { StartError } from '@bms/lifecycle';
import { createClient, Metadata, type Channel } from '@bms/transport';
import type { RegistryRecord } from '../records/values';

export interface PeerTrustOptions {
  /** The registries that the store names. */
  readonly registries: readonly RegistryRecord[];
  readonly dial: (address: string) => Channel;
  readonly token: ServiceToken;
  readonly registryId: string;
  readonly meshId: string;
}

/** One that does not answer so soon says nothing about the token. */
const ANSWER_WITHIN_MS = 2_000;

/**
 * A registry with another service token than the others would know nothing of their routers, nor they of its: every change
 * would wait for it in vain. Throws StartError where another registry refuses the token.
 */
export async function checkPeerTrust(options: PeerTrustOptions, nowMs: () => number): Promise<void> {
  const others = options.registries.filter(({ id }) => id !== options.registryId);
  const refused = await Promise.all(
    others.map(async (peer) => ((await isRefused(peer, options, nowMs)) ? [peer] : [])),
  );
  const [first] = refused.flat();
  if (first === undefined) return;
  throw new StartError(
    `the registry at ${first.address} of this mesh has another service token: ` +
      'copy the file service-token from its data folder into this one, with mode 0600, and start again',
  );
}

async function isRefused(peer: RegistryRecord, options: PeerTrustOptions, nowMs: () => number): Promise<boolean> {
  const { dial, token, registryId, meshId } = options;
  const channel = dial(peer.address);
  try {
    const metadata = Metadata.from({ [CallMetadata.authorization]: bearer(token) });
    const client = createClient(peerService.PeerServiceDefinition, channel);
    const deadlineMs = nowMs() + ANSWER_WITHIN_MS;
    for await (const _state of client.watchPeer({ registryId, meshId }, { metadata, deadlineMs })) return false;
    return false;
  } catch (error) {
    return BmsError.from(error).reason === Reason.UNAUTHENTICATED;
  } finally {
    channel.close();
  }
}
