/** RFC 9113 §7: why a stream or a connection is ended. */
export const ErrorCode = {
  NO_ERROR: 0x0,
  PROTOCOL_ERROR: 0x1,
  INTERNAL_ERROR: 0x2,
  FLOW_CONTROL_ERROR: 0x3,
  SETTINGS_TIMEOUT: 0x4,
  STREAM_CLOSED: 0x5,
  FRAME_SIZE_ERROR: 0x6,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  COMPRESSION_ERROR: 0x9,
  CONNECT_ERROR: 0xa,
  ENHANCE_YOUR_CALM: 0xb,
  INADEQUATE_SECURITY: 0xc,
  HTTP_1_1_REQUIRED: 0xd,
} as const;

/** Any 32-bit number may come; those of {@link ErrorCode} have a meaning. */
export type ErrorCode = number;

/** `PROTOCOL_ERROR`; `error 77` for one without a name. */
export function errorCodeName(code: ErrorCode): string {
  return Object.entries(ErrorCode).find(([, value]) => value === code)?.[0] ?? `error ${code}`;
}
