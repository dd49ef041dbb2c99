export { Any } from '../gen/google/protobuf/any';
export { Status } from '../gen/wire/google/rpc/status';
export { BadRequest, ErrorInfo, RetryInfo } from '../gen/wire/google/rpc/error_details';
