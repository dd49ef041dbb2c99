import { GrpcCode, type Status } from '@bms/transport';
import { ErrorCode, errorCodeName } from '../frames/error-code';

/** What a call has ended with whose stream the peer has reset. */
export function statusOfReset(code: ErrorCode): Status {
  return {
    code: grpcCodeOf(code),
    message: `the peer ended the stream with ${errorCodeName(code)}`,
    details: undefined,
  };
}

/** https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, "Errors". */
function grpcCodeOf(code: ErrorCode): GrpcCode {
  switch (code) {
    case ErrorCode.REFUSED_STREAM:
      return GrpcCode.UNAVAILABLE;
    case ErrorCode.CANCEL:
      return GrpcCode.CANCELLED;
    case ErrorCode.ENHANCE_YOUR_CALM:
      return GrpcCode.RESOURCE_EXHAUSTED;
    case ErrorCode.INADEQUATE_SECURITY:
      return GrpcCode.PERMISSION_DENIED;
    default:
      return GrpcCode.INTERNAL;
  }
}
