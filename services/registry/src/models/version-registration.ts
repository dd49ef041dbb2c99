import { artifactOf, type BlobStore } from '@bms/artifacts';
import { BmsError, Reason, type modelService } from '@bms/contracts';
import { checkExternalData, inspectOnnxFile, type OnnxModelInfo } from '@bms/onnx-inspect';
import { versionFormat, type ArtifactRecord, type SignatureRecord, type VersionRecord } from '../records/values';
import type { VersionDraft } from './model-changes';
import type { ModelCatalog } from './model-catalog';
import { artifactRecord, signatureRecord } from './model-messages';
import type { ModelKey } from './model-store';
import { checkTakesBatches } from './batching-config';
import { checkVersionConfig } from './version-config';

const NOTES_MAX_CHARACTERS = 4_000;
const REQUEST_ID = /^[A-Za-z0-9._-]{0,100}$/;
/** What a version's record may take, so that the transaction that writes it stays within the store's limit. */
const RECORD_BYTES_MAX = 1_000_000;

/**
 * Makes versions out of blobs: checks what was pushed, reads the signature from the model's own bytes, and only then
 * writes. A push that is refused leaves nothing behind but blobs, which are swept.
 */
export class VersionRegistration {
  constructor(
    private readonly catalog: ModelCatalog,
    private readonly blobs: BlobStore,
  ) {}

  /** Throws INVALID_REQUEST, INVALID_CONFIG, INVALID_MODEL and BLOB_NOT_FOUND, each naming the field, file or digest. */
  async register(
    key: ModelKey,
    request: modelService.RegisterVersionRequest,
    by: string,
    signal: AbortSignal,
  ): Promise<VersionRecord> {
    const { notes, requestId } = request;
    checkTexts(request);
    const config = checkVersionConfig(request.config);
    const artifact = artifactRecord(artifactOf(request.files, request.entry));
    if (requestId !== '') {
      // Made already: its blobs need not be here any more.
      const earlier = await this.catalog.registered(key, requestId, artifact.digest, signal);
      if (earlier !== undefined) return earlier;
    }
    await this.checkBlobs(artifact);
    const info = await this.inspect(artifact, signal);
    checkTakesBatches(config, info.signature);
    const sizes = new Map(artifact.files.map(({ path, sizeBytes }) => [path, sizeBytes]));
    checkExternalData(artifact.entry, info.externalData, (path) => sizes.get(path));
    const draft: VersionDraft = {
      tenant: key.tenant,
      model: key.model,
      artifact,
      signature: exactSignature(artifact, info),
      config,
      notes,
      opset: info.opsets,
      producer: info.producer,
      requestId,
    };
    checkRecordSize(draft);
    return this.catalog.register(draft, by, signal);
  }

  private async checkBlobs({ files }: ArtifactRecord): Promise<void> {
    const checked = new Set<string>();
    for (const { path, sizeBytes, sha256 } of files) {
      if (checked.has(`${sha256} ${sizeBytes}`)) continue;
      checked.add(`${sha256} ${sizeBytes}`);
      const state = await this.blobs.stat(sha256);
      if (state.kind !== 'complete') {
        const how =
          state.kind === 'partial' ? `only ${state.receivedBytes} of its bytes have been uploaded` : 'upload it first';
        throw new BmsError(Reason.BLOB_NOT_FOUND, `${path}: the blob ${sha256} is not here: ${how}`, {
          facts: { sha256, path },
        });
      }
      if (state.sizeBytes !== sizeBytes) {
        throw BmsError.invalidRequest('files', `${path} has ${state.sizeBytes} bytes, not ${sizeBytes}`);
      }
    }
  }

  private async inspect({ entry, files }: ArtifactRecord, signal: AbortSignal): Promise<OnnxModelInfo> {
    const sha256 = files.find(({ path }) => path === entry)?.sha256 ?? '';
    try {
      return await inspectOnnxFile(await this.blobs.path(sha256), signal);
    } catch (error) {
      if (!BmsError.is(error, Reason.INVALID_MODEL)) throw error;
      throw new BmsError(Reason.INVALID_MODEL, `${entry}: ${error.message}`, {
        violations: [{ field: entry, description: error.message }],
      });
    }
  }
}

/** Throws INVALID_REQUEST that names the text, and what is allowed. */
export function checkTexts({ notes, requestId }: Pick<VersionDraft, 'notes' | 'requestId'>): void {
  if (notes.length > NOTES_MAX_CHARACTERS) {
    throw BmsError.invalidRequest(
      'notes',
      `has ${notes.length} characters: at most ${NOTES_MAX_CHARACTERS} are allowed`,
    );
  }
  if (!REQUEST_ID.test(requestId)) {
    throw BmsError.invalidRequest('request_id', 'letters, digits, ".", "_" and "-" are allowed, at most 100 of them');
  }
}

/** The signature, if all of it can be kept exactly. */
function exactSignature({ entry }: ArtifactRecord, { signature }: OnnxModelInfo): SignatureRecord {
  const record = signatureRecord(signature);
  for (const { name, shape } of [...record.inputs, ...record.outputs]) {
    if (shape.every(Number.isSafeInteger)) continue;
    throw new BmsError(
      Reason.INVALID_MODEL,
      `${entry}: the shape of ${name} has an absurd dimension: [${shape.join(', ')}]`,
    );
  }
  return record;
}

function checkRecordSize(draft: VersionDraft): void {
  const record = { ...draft, version: 1, state: 'registered', createdBy: '', createdAtMs: 0 } as const;
  const { byteLength } = versionFormat.encode(record);
  if (byteLength <= RECORD_BYTES_MAX) return;
  throw new BmsError(
    Reason.INVALID_MODEL,
    `what has to be remembered of this version takes ${byteLength} bytes, at most ${RECORD_BYTES_MAX} are allowed: ` +
      `it has ${draft.artifact.files.length} files, ${draft.signature.inputs.length} inputs and ${draft.signature.outputs.length} outputs`,
  );
}
