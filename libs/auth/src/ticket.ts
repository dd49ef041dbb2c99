import { BmsError, Reason } from '@bms/contracts';
import { jwtVerify, SignJWT, type JWTPayload } from 'jose';
import type { ServiceToken } from './service-token';

/** What a ticket is good for; a ticket for one is none for the other. */
export type TicketPurpose = 'upload' | 'download';

const AUDIENCES: Readonly<Record<TicketPurpose, string>> = {
  upload: 'bms.blobs.v1.BlobService',
  download: 'bms.blobs.v1.BlobService/DownloadBlob',
};

/** Signs a ticket with the mesh's token (JWT, HS256), so that any registry can check it without asking admin. */
export async function signTicket(
  purpose: TicketPurpose,
  token: ServiceToken,
  content: object,
  expiresAtMs: number,
): Promise<string> {
  return new SignJWT({ ...content })
    .setProtectedHeader({ alg: 'HS256' })
    .setAudience(AUDIENCES[purpose])
    .setExpirationTime(Math.floor(expiresAtMs / 1000))
    .sign(keyOf(purpose, token));
}

/** What a ticket holds. Throws UNAUTHENTICATED when it is forged, for another purpose, or too old. */
export async function verifyTicket(
  purpose: TicketPurpose,
  token: ServiceToken,
  signed: string,
  nowMs: number,
): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(signed, keyOf(purpose, token), {
      audience: AUDIENCES[purpose],
      algorithms: ['HS256'],
      currentDate: new Date(nowMs),
    });
    return payload;
  } catch (cause) {
    throw new BmsError(
      Reason.UNAUTHENTICATED,
      `the ${purpose} ticket is not valid (any more): ask admin for a new one`,
      { cause },
    );
  }
}

function keyOf(purpose: TicketPurpose, token: ServiceToken): Uint8Array {
  return new TextEncoder().encode(`${purpose}-ticket:${token}`);
}
