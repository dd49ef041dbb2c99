/** Whether a body of this type is gRPC messages whose content is left to the handlers: protobuf, said or not. Parameters mean nothing. */
export function isGrpcContentType(value: string): boolean {
  if (value === 'application/grpc' || value === 'application/grpc+proto') return true;
  const end = value.indexOf(';');
  const type = (end === -1 ? value : value.slice(0, end)).trim().toLowerCase();
  return type === 'application/grpc' || type === 'application/grpc+proto';
}
