import { BmsError, Reason } from '@bms/contracts';
import { jwtVerify, SignJWT } from 'jose';
import type { ServiceToken } from './service-token';

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

const AUDIENCE = 'bms.blobs.v1.BlobService';

/** Signs a ticket with the mesh's token (JWT, HS256), so that any registry can check it without asking admin. */
export async function signUploadTicket(
  token: ServiceToken,
  ticket: UploadTicket,
  expiresAtMs: number,
): Promise<string> {
  return new SignJWT({ ...ticket })
    .setProtectedHeader({ alg: 'HS256' })
    .setAudience(AUDIENCE)
    .setExpirationTime(Math.floor(expiresAtMs / 1000))
    .sign(keyOf(token));
}

/** Throws UNAUTHENTICATED when the ticket is forged, for something else, or too old. */
export async function verifyUploadTicket(token: ServiceToken, signed: string, nowMs: number): Promise<UploadTicket> {
  try {
    const { payload } = await jwtVerify(signed, keyOf(token), {
      audience: AUDIENCE,
      algorithms: ['HS256'],
      currentDate: new Date(nowMs),
    });
    return payload as unknown as UploadTicket;
  } catch (cause) {
    throw new BmsError(Reason.UNAUTHENTICATED, 'the upload ticket is not valid (any more): ask admin for a new one', {
      cause,
    });
  }
}

function keyOf(token: ServiceToken): Uint8Array {
  return new TextEncoder().encode(`upload-ticket:${token}`);
}
