import { GrpcCode, type Status } from '@bms/transport';

/** What an answer without `grpc-status` means, which can only be one of something else than a gRPC server. */
export function statusOfHttp(httpStatus: number): Status {
  return {
    code: grpcCodeOf(httpStatus),
    message: `the peer answered HTTP ${httpStatus} without a gRPC status`,
    details: undefined,
  };
}

/** https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md, and what C-core adds to it. Never OK. */
function grpcCodeOf(httpStatus: number): GrpcCode {
  switch (httpStatus) {
    case 400:
    case 431:
      return GrpcCode.INTERNAL;
    case 401:
      return GrpcCode.UNAUTHENTICATED;
    case 403:
      return GrpcCode.PERMISSION_DENIED;
    case 404:
      return GrpcCode.UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
      return GrpcCode.UNAVAILABLE;
    default:
      return GrpcCode.UNKNOWN;
  }
}
