import type { ServiceToken } from './service-token';
import { signTicket, verifyTicket } from './ticket';

/** What a ticket lets its holder do: upload these blobs for this model, for a while. */
export interface UploadTicket {
  readonly tenant: string;
  readonly model: string;
  readonly principal: string;
  /** The digests that may be uploaded, each with its size in bytes. */
  readonly blobs: Readonly<Record<string, number>>;
}

/** How long a ticket lasts: long enough for a large file over a slow line. */
export const UPLOAD_TICKET_TTL_MS = 6 * 3_600_000;

/** Signs a ticket with the mesh's token, so that any registry can check it without asking admin. */
export async function signUploadTicket(
  token: ServiceToken,
  ticket: UploadTicket,
  expiresAtMs: number,
): Promise<string> {
  return signTicket('upload', token, ticket, expiresAtMs);
}

/** Throws UNAUTHENTICATED when the ticket is forged, for something else, or too old. */
export async function verifyUploadTicket(token: ServiceToken, signed: string, nowMs: number): Promise<UploadTicket> {
  return (await verifyTicket('upload', token, signed, nowMs)) as unknown as UploadTicket;
}
