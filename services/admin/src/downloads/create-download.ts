import { DOWNLOAD_TICKET_TTL_MS, signDownloadTicket, type ServiceToken } from '@bms/auth';
import { adminService, BmsError, models, modelService, parseModelName, Reason } from '@bms/contracts';
import { pathOf } from '@bms/transport';
import type { ManagementCall, ManagementHandler } from '../management-call';
import { registryIdentity } from '../registry-identity';
import type { RegistryPool } from '../registry/registry-pool';

const GET_MODEL = modelService.ModelServiceDefinition.methods.getModel;

/**
 * Answers AdminService.CreateDownload: a ticket that lets its holder download the files of one version, and where from. The bytes
 * come from a registry and never pass admin.
 */
export function createDownload(registries: RegistryPool, token: ServiceToken, now: () => number): ManagementHandler {
  return async (call) => {
    const { ref, label } = adminService.CreateDownloadRequest.decode(call.request);
    const model = parseModelName(ref?.model ?? '', 'ref.model');
    const wanted = ref?.version ?? 0n;
    if (wanted !== 0n && label !== '') {
      throw BmsError.invalidRequest('label', 'give a version or a label, not both');
    }
    const detail = await readModel(registries, token, call, model);
    const version = versionOf(detail, wanted, label);
    const files = version.artifact?.files ?? [];
    const expiresAtMs = now() + DOWNLOAD_TICKET_TTL_MS;
    const content = {
      tenant: call.tenant,
      model,
      version: Number(version.ref?.version),
      principal: call.caller.kind === 'trusted' ? call.caller.principal : 'anonymous',
      blobs: [...new Set(files.map(({ sha256 }) => sha256))],
    };
    return adminService.CreateDownloadResponse.encode({
      ticket: await signDownloadTicket(token, content, expiresAtMs),
      expiresAtMs: BigInt(expiresAtMs),
      blobAddresses: [...registries.addresses],
      version,
    }).finish();
  };
}

/** Throws what the registry throws, such as MODEL_NOT_FOUND. */
async function readModel(
  registries: RegistryPool,
  token: ServiceToken,
  call: ManagementCall,
  model: string,
): Promise<modelService.ModelDetail> {
  const { deadlineMs, signal, tenant } = call;
  const answer = await registries.unary(
    pathOf(modelService.ModelServiceDefinition, GET_MODEL),
    modelService.GetModelRequest.encode({ tenant, model }).finish(),
    { metadata: registryIdentity(call, token), deadlineMs, signal },
    { changes: false },
  );
  const { model: detail } = modelService.GetModelResponse.decode(answer);
  if (detail === undefined) throw new BmsError(Reason.INTERNAL, 'the registry answered without a model');
  return detail;
}

/** The version that is meant: by number, by label, or the active one. */
function versionOf({ model, versions }: modelService.ModelDetail, wanted: bigint, label: string): models.Version {
  const name = `${model?.tenant ?? ''}/${model?.name ?? ''}`;
  const labels = new Map(Object.entries(model?.labels ?? {}));
  const number = wanted !== 0n ? wanted : label === '' ? (model?.activeVersion ?? 0n) : labels.get(label);
  if (number === undefined) throw new BmsError(Reason.LABEL_NOT_FOUND, `${name} has no label ${JSON.stringify(label)}`);
  if (number === 0n) {
    throw new BmsError(Reason.NO_ACTIVE_VERSION, `${name} has no active version: name one, such as ${name}@1`);
  }
  const found = versions.find(({ version }) => version?.ref?.version === number)?.version;
  if (found === undefined) throw new BmsError(Reason.VERSION_NOT_FOUND, `there is no version ${name}@${number}`);
  if (found.state === models.VersionState.DELETED) {
    throw new BmsError(Reason.VERSION_NOT_FOUND, `${name}@${number} is deleted: its files are kept no longer`);
  }
  return found;
}
