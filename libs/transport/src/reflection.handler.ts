import { assertNever, readDescriptorSet, reflectionV1, reflectionV1Alpha } from '@bms/contracts';
import type { Routes } from './call';
import { DescriptorIndex } from './descriptor-index';
import { GrpcCode } from './grpc-code';
import { implement, mergeRoutes } from './implement';

type Request = reflectionV1.ServerReflectionRequest;
type Response = reflectionV1.ServerReflectionResponse;
type Answer = NonNullable<Response['messageResponse']>;

/**
 * gRPC server reflection, versions v1 and v1alpha (their messages are the same), from the committed descriptor set.
 * @param services full names of the services that this server offers; those and no others are listed
 */
export function reflectionRoutes(services: readonly string[]): Routes {
  // Read at the first question: most servers are never asked.
  let index: DescriptorIndex | undefined;
  async function* serverReflectionInfo(requests: AsyncIterable<Request>): AsyncIterable<Response> {
    for await (const request of requests) {
      index ??= new DescriptorIndex(readDescriptorSet());
      yield {
        validHost: request.host,
        originalRequest: request,
        messageResponse: answer(request.messageRequest, services, index),
      };
    }
  }
  return mergeRoutes(
    implement(reflectionV1.ServerReflectionDefinition, { serverReflectionInfo }),
    implement(reflectionV1Alpha.ServerReflectionDefinition, { serverReflectionInfo }),
  );
}

function answer(question: Request['messageRequest'], services: readonly string[], index: DescriptorIndex): Answer {
  switch (question?.$case) {
    case 'listServices':
      return { $case: 'listServicesResponse', value: { service: services.map((name) => ({ name })) } };
    case 'fileByFilename':
      return files(index.fileNamed(question.value), `file ${question.value}`);
    case 'fileContainingSymbol':
      return files(index.fileOf(question.value), `symbol ${question.value}`);
    case 'fileContainingExtension': {
      const { containingType, extensionNumber } = question.value;
      const found = index.fileOfExtension(containingType, extensionNumber);
      return files(found, `extension ${extensionNumber} of ${containingType}`);
    }
    case 'allExtensionNumbersOfType': {
      const numbers = index.extensionNumbersOf(question.value);
      if (numbers === undefined) return failure(GrpcCode.NOT_FOUND, `there is no message ${question.value} here`);
      const value = { baseTypeName: question.value, extensionNumber: numbers };
      return { $case: 'allExtensionNumbersResponse', value };
    }
    case undefined:
      return failure(GrpcCode.INVALID_ARGUMENT, 'message_request: is missing');
    default:
      return assertNever(question);
  }
}

function files(found: Uint8Array[] | undefined, what: string): Answer {
  if (found === undefined) return failure(GrpcCode.NOT_FOUND, `there is no ${what} here`);
  return { $case: 'fileDescriptorResponse', value: { fileDescriptorProto: found } };
}

function failure(errorCode: GrpcCode, errorMessage: string): Answer {
  return { $case: 'errorResponse', value: { errorCode, errorMessage } };
}
