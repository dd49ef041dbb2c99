import { type models, workerService } from '@bms/contracts';
import { wantedVersion, type WantedVersion } from './wanted-version';

/** A desired set's entry for `default/<model>@<version>`. */
export function desiredVersion(
  model: string,
  version: number,
  more: {
    digest?: string;
    signature?: models.Signature;
    sizeBytes?: number;
    files?: models.ArtifactFile[];
    config?: Partial<models.VersionConfig>;
  } = {},
): workerService.DesiredVersion {
  const { digest = `digest-${model}-${version}`, signature, sizeBytes = 10, files = [], config = {} } = more;
  return workerService.DesiredVersion.create({
    ref: { tenant: 'default', model, version: BigInt(version) },
    artifact: { digest, sizeBytes: BigInt(sizeBytes), entry: 'model.onnx', files },
    signature: signature ?? {
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1n, 2n], symbols: ['batch', ''] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1n, 3n], symbols: ['batch', ''] }],
    },
    config,
  });
}

export function wanted(...args: Parameters<typeof desiredVersion>): WantedVersion {
  const version = wantedVersion(desiredVersion(...args));
  if (version === undefined) throw new Error('not a whole entry');
  return version;
}
