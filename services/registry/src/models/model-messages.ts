import { models as proto } from '@bms/contracts';
import type {
  ArtifactRecord,
  ModelRecord,
  ReplicaRecord,
  ReplicaStateWord,
  SignatureRecord,
  VersionConfigRecord,
  VersionRecord,
  VersionStateWord,
} from '../records/values';

// Records of the store as messages of the wire.

const STATE_MESSAGES: Readonly<Record<VersionStateWord, proto.VersionState>> = {
  registered: proto.VersionState.REGISTERED,
  published: proto.VersionState.PUBLISHED,
  offline: proto.VersionState.OFFLINE,
  deleted: proto.VersionState.DELETED,
};

const REPLICA_STATE_MESSAGES: Readonly<Record<ReplicaStateWord, proto.ReplicaState>> = {
  loading: proto.ReplicaState.LOADING,
  warming: proto.ReplicaState.WARMING,
  ready: proto.ReplicaState.READY,
  draining: proto.ReplicaState.DRAINING,
  failed: proto.ReplicaState.FAILED,
};

export function stateMessage(state: VersionStateWord): proto.VersionState {
  return STATE_MESSAGES[state];
}

/** Undefined for a state that the wire knows and people cannot ask for. */
export function stateWord(state: proto.VersionState): VersionStateWord | undefined {
  return wordOf(STATE_MESSAGES, state);
}

export function replicaStateMessage(state: ReplicaStateWord): proto.ReplicaState {
  return REPLICA_STATE_MESSAGES[state];
}

export function replicaStateWord(state: proto.ReplicaState): ReplicaStateWord | undefined {
  return wordOf(REPLICA_STATE_MESSAGES, state);
}

function wordOf<Word extends string, Message>(
  table: Readonly<Record<Word, Message>>,
  message: Message,
): Word | undefined {
  return (Object.keys(table) as Word[]).find((word) => table[word] === message);
}

export function refMessage(ref: { tenant: string; model: string; version: number }): proto.VersionRef {
  return { tenant: ref.tenant, model: ref.model, version: BigInt(ref.version) };
}

export function signatureMessage(signature: SignatureRecord): proto.Signature {
  const spec = (one: SignatureRecord['inputs'][number]): proto.TensorSpec => ({ ...one, shape: one.shape.map(BigInt) });
  return { inputs: signature.inputs.map(spec), outputs: signature.outputs.map(spec) };
}

export function signatureRecord(signature: proto.Signature): SignatureRecord {
  const spec = (one: proto.TensorSpec): SignatureRecord['inputs'][number] => ({ ...one, shape: one.shape.map(Number) });
  return { inputs: signature.inputs.map(spec), outputs: signature.outputs.map(spec) };
}

export function artifactMessage(artifact: ArtifactRecord): proto.Artifact {
  const { digest, entry } = artifact;
  return {
    digest,
    entry,
    sizeBytes: BigInt(artifact.sizeBytes),
    files: artifact.files.map((file) => ({ ...file, sizeBytes: BigInt(file.sizeBytes) })),
  };
}

export function artifactRecord(artifact: proto.Artifact): ArtifactRecord {
  const { digest, entry } = artifact;
  return {
    digest,
    entry,
    sizeBytes: Number(artifact.sizeBytes),
    files: artifact.files.map((file) => ({ ...file, sizeBytes: Number(file.sizeBytes) })),
  };
}

export function configMessage(config: VersionConfigRecord): proto.VersionConfig {
  const providerOptions = Object.entries(config.providerOptions).map(([name, options]) => [name, { options }] as const);
  return { ...config, providerOptions: Object.fromEntries(providerOptions) };
}

export function versionMessage(version: VersionRecord): proto.Version {
  return {
    ref: refMessage(version),
    state: stateMessage(version.state),
    artifact: artifactMessage(version.artifact),
    signature: signatureMessage(version.signature),
    config: configMessage(version.config),
    notes: version.notes,
    createdBy: version.createdBy,
    createdAtMs: BigInt(version.createdAtMs),
    opset: version.opset,
    producer: version.producer,
  };
}

export function modelMessage(model: ModelRecord): proto.Model {
  return {
    tenant: model.tenant,
    name: model.name,
    activeVersion: BigInt(model.activeVersion),
    labels: Object.fromEntries(Object.entries(model.labels).map(([label, version]) => [label, BigInt(version)])),
    activations: model.activations.map(({ version, atMs, by }) => ({
      version: BigInt(version),
      atMs: BigInt(atMs),
      by,
    })),
    createdAtMs: BigInt(model.createdAtMs),
    createdBy: model.createdBy,
    latestVersion: BigInt(model.latestVersion),
  };
}

export function replicaMessage(replica: ReplicaRecord): proto.ReplicaStatus {
  return {
    ref: refMessage(replica),
    state: replicaStateMessage(replica.state),
    sinceMs: BigInt(replica.sinceMs),
    reason: replica.reason,
    memoryBytes: BigInt(replica.memoryBytes),
    unwarmed: replica.unwarmed,
    provider: replica.provider,
    fellBack: replica.fellBack,
  };
}
