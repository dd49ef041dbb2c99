import { readDescriptorSet } from '@bms/contracts';
import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { DescriptorIndex } from './descriptor-index';

const index = new DescriptorIndex(readDescriptorSet());

function names(files: Uint8Array[] | undefined): string[] | undefined {
  return files?.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name);
}

describe('the descriptor index', () => {
  test.each([
    ['a service', 'inference.GRPCInferenceService', 'wire/inference/grpc_service.proto'],
    ['a method', 'inference.GRPCInferenceService.ModelInfer', 'wire/inference/grpc_service.proto'],
    ['a message', 'inference.ModelInferRequest', 'wire/inference/grpc_service.proto'],
    ['a nested message', 'inference.ModelInferRequest.InferInputTensor', 'wire/inference/grpc_service.proto'],
    ['a field', 'inference.ModelInferRequest.model_name', 'wire/inference/grpc_service.proto'],
    ['an enum', 'bms.error.v1.Reason', 'bms/error/v1/error.proto'],
    ['an enum value, which lives beside its enum', 'bms.error.v1.REASON_IN_USE', 'bms/error/v1/error.proto'],
    ['a nested enum', 'grpc.health.v1.HealthCheckResponse.ServingStatus', 'wire/grpc/health/v1/health.proto'],
    ['a value of a nested enum', 'grpc.health.v1.HealthCheckResponse.SERVING', 'wire/grpc/health/v1/health.proto'],
    [
      'a oneof',
      'grpc.reflection.v1.ServerReflectionRequest.message_request',
      'wire/grpc/reflection/v1/reflection.proto',
    ],
    ['what Google defines', 'google.protobuf.Duration', 'google/protobuf/duration.proto'],
  ])('finds %s', (_, symbol, file) => {
    expect(names(index.fileOf(symbol))?.[0]).toBe(file);
  });

  test('answers a file with all that it imports, once each, itself first', () => {
    const found = names(index.fileNamed('wire/google/rpc/error_details.proto'));
    expect(found).toEqual(['wire/google/rpc/error_details.proto', 'google/protobuf/duration.proto']);
    const service = names(index.fileOf('bms.models.v1.ModelService')) ?? [];
    expect(service[0]).toBe('bms/models/v1/model_service.proto');
    expect(service).toContain('bms/models/v1/models.proto');
    expect(new Set(service).size).toBe(service.length);
  });

  test('keeps the comments of proto/', () => {
    const [file] = index.fileNamed('bms/error/v1/error.proto') ?? [];
    expect(Buffer.from(file ?? []).toString('latin1')).toContain('Why a call was refused or failed');
  });

  test('knows what it does not know', () => {
    expect(index.fileNamed('no/such.proto')).toBeUndefined();
    expect(index.fileOf('no.Such')).toBeUndefined();
    expect(index.fileOf('')).toBeUndefined();
    expect(index.fileOfExtension('bms.error.v1.Reason', 1)).toBeUndefined();
    expect(index.extensionNumbersOf('no.Such')).toBeUndefined();
    expect(index.extensionNumbersOf('google.protobuf.Duration')).toEqual([]);
  });
});
