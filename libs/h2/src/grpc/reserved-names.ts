/**
 * Names that are HTTP/2's or gRPC's own, beside those that begin with ":" or "grpc-": no metadata is sent under them.
 * The list is of what is said about a connection, a body or a call, which each hop says anew.
 */
const RESERVED: ReadonlySet<string> = new Set([
  'accept-encoding',
  'connection',
  'content-length',
  'content-type',
  'date',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Whether `name`, in lower case, is no name for metadata. */
export function isReserved(name: string): boolean {
  return name.charCodeAt(0) === 0x3a || name.startsWith('grpc-') || RESERVED.has(name);
}
