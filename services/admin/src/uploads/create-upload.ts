import { signUploadTicket, UPLOAD_TICKET_TTL_MS, type ServiceToken } from '@bms/auth';
import { checkArtifactFiles } from '@bms/artifacts';
import { adminService, BmsError, parseModelName, type models } from '@bms/contracts';
import type { ManagementHandler } from '../management-call';

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
    checkArtifactFiles(files);
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

/** The digests of files with their sizes. */
function blobsOf(files: readonly models.ArtifactFile[]): Readonly<Record<string, number>> {
  const sizes = new Map<string, number>();
  for (const [index, { sha256, sizeBytes }] of files.entries()) {
    if ((sizes.get(sha256) ?? Number(sizeBytes)) !== Number(sizeBytes)) {
      throw BmsError.invalidRequest(`files[${index}].size_bytes`, 'another file with the same sha256 has another size');
    }
    sizes.set(sha256, Number(sizeBytes));
  }
  return Object.fromEntries(sizes);
}
