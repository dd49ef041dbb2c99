import type { ServiceToken } from './service-token';
import { signTicket, verifyTicket } from './ticket';

/** What a ticket lets its holder do: download these blobs of one version, for a while. */
export interface DownloadTicket {
  readonly tenant: string;
  readonly model: string;
  readonly version: number;
  readonly principal: string;
  /** The digests that may be downloaded. */
  readonly blobs: readonly string[];
}

/** How long a ticket lasts: long enough for a large version over a slow line. */
export const DOWNLOAD_TICKET_TTL_MS = 6 * 3_600_000;

/** Signs a ticket with the mesh's token, so that any registry can check it without asking admin. */
export async function signDownloadTicket(
  token: ServiceToken,
  ticket: DownloadTicket,
  expiresAtMs: number,
): Promise<string> {
  return signTicket('download', token, ticket, expiresAtMs);
}

/** Throws UNAUTHENTICATED when the ticket is forged, for something else, or too old. */
export async function verifyDownloadTicket(
  token: ServiceToken,
  signed: string,
  nowMs: number,
): Promise<DownloadTicket> {
  return (await verifyTicket('download', token, signed, nowMs)) as unknown as DownloadTicket;
}
