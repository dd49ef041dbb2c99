import { assertNever, models } from '@bms/contracts';
import { DATATYPES, isDatatype } from '@bms/tensor';
import type { VersionEntry } from '../catalog/route-table';

/** tensorflow.serving.ModelVersionStatus.State */
type State = 'START' | 'LOADING' | 'AVAILABLE' | 'END';

interface VersionStatus {
  readonly version: string;
  readonly state: State;
  readonly status: { readonly error_code: string; readonly error_message: string };
}

/** The one signature that an ONNX model has, by TensorFlow Serving's name for it. */
const SIGNATURE_NAME = 'serving_default';
const METHOD_NAME = 'tensorflow/serving/predict';

/** `GET /v1/models/NAME` as TensorFlow Serving answers it: the state of versions, the newest first. */
export function modelStatus(
  versions: readonly VersionEntry[],
  isReady: (version: VersionEntry) => boolean,
): { readonly model_version_status: readonly VersionStatus[] } {
  const newestFirst = [...versions].sort((one, other) => other.version - one.version);
  return { model_version_status: newestFirst.map((version) => versionStatus(version, isReady(version))) };
}

function versionStatus({ version, state, notReadyReason }: VersionEntry, ready: boolean): VersionStatus {
  const answer = (name: State, code = 'OK', message = ''): VersionStatus => ({
    version: String(version),
    state: name,
    status: { error_code: code, error_message: message },
  });
  switch (state) {
    case models.VersionState.PUBLISHED:
      if (ready) return answer('AVAILABLE');
      return notReadyReason === '' ? answer('LOADING') : answer('LOADING', 'UNAVAILABLE', notReadyReason);
    case models.VersionState.REGISTERED:
      return answer('START');
    case models.VersionState.OFFLINE:
    case models.VersionState.DELETED:
      return answer('END');
    case models.VersionState.UNSPECIFIED:
      return answer('END', 'UNKNOWN', 'the state of this version is not known to this router');
    default:
      return assertNever(state);
  }
}

/** `GET /v1/models/NAME/metadata` as TensorFlow Serving answers it. */
export function modelMetadata({ model, version, signature }: VersionEntry): unknown {
  return {
    model_spec: { name: model, signature_name: '', version: String(version) },
    metadata: {
      signature_def: {
        signature_def: {
          [SIGNATURE_NAME]: {
            inputs: tensorInfos(signature.inputs),
            outputs: tensorInfos(signature.outputs),
            method_name: METHOD_NAME,
          },
        },
      },
    },
  };
}

function tensorInfos(specs: readonly models.TensorSpec[]): unknown {
  return Object.fromEntries(
    specs.map(({ name, datatype, shape, symbols, unranked }) => [
      name,
      {
        dtype: isDatatype(datatype) ? DATATYPES[datatype].tensorflow.name : 'DT_INVALID',
        tensor_shape: {
          dim: shape.map((size, at) => ({ size: String(size), name: symbols[at] ?? '' })),
          unknown_rank: unranked,
        },
        name,
      },
    ]),
  );
}
