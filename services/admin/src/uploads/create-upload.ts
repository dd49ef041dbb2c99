import { signUploadTicket, UPLOAD_TICKET_TTL_MS, type ServiceToken } from '@bms/auth';
import { adminService, parseModelName } from '@bms/contracts';
import type { ManagementHandler } from '../management-call';
import { blobsOf } from './upload-blobs';

/**
 * Answers AdminService.CreateUpload: a ticket that lets its holder upload the named files for one model, and where to. The bytes
 * go to the registry and never pass admin.
 */
export function createUpload(
  token: ServiceToken,
  blobAddresses: readonly string[],
  now: () => number,
): ManagementHandler {
  return async ({ request, tenant, caller }) => {
    const { model, files } = adminService.CreateUploadRequest.decode(request);
    const principal = caller.kind === 'trusted' ? caller.principal : 'anonymous';
    const expiresAtMs = now() + UPLOAD_TICKET_TTL_MS;
    const ticket = await signUploadTicket(
      token,
      { tenant, model: parseModelName(model), principal, blobs: blobsOf(files) },
      expiresAtMs,
    );
    return adminService.CreateUploadResponse.encode({
      ticket,
      expiresAtMs: BigInt(expiresAtMs),
      blobAddresses: [...blobAddresses],
    }).finish();
  };
}
