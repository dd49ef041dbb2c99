import { Reason, reasonName, rpc, type FieldViolation } from '@bms/contracts';
import type { GrpcCode } from './grpc-code';

/** What travels beside the code and the sentence of an error. */
export interface StatusDetails {
  readonly reason: Reason;
  readonly violations: readonly FieldViolation[];
  readonly retryAfterMs: number | undefined;
  readonly facts: Readonly<Record<string, string>>;
}

const DOMAIN = 'bms';
const TYPE_PREFIX = 'type.googleapis.com/';
const ERROR_INFO = 'google.rpc.ErrorInfo';
const RETRY_INFO = 'google.rpc.RetryInfo';
const BAD_REQUEST = 'google.rpc.BadRequest';

/** Details travel in a trailer, and peers refuse big ones (node: 64 KiB in all). */
const ENTRIES_MAX = 20;
const TEXT_MAX_CHARACTERS = 500;

/** The bytes of a google.rpc.Status with ErrorInfo and, where there is something to say, RetryInfo and BadRequest. */
export function encodeDetails(code: GrpcCode, message: string, details: StatusDetails): Uint8Array {
  const packed = [pack(ERROR_INFO, errorInfo(details))];
  if (details.retryAfterMs !== undefined) packed.push(pack(RETRY_INFO, retryInfo(details.retryAfterMs)));
  if (details.violations.length > 0) packed.push(pack(BAD_REQUEST, badRequest(details.violations)));
  return rpc.Status.encode({ code, message, details: packed }).finish();
}

/** Undefined when `bytes` are no google.rpc.Status with an ErrorInfo of BMS. */
export function decodeDetails(bytes: Uint8Array): StatusDetails | undefined {
  try {
    return unpack(rpc.Status.decode(bytes).details);
  } catch {
    return undefined; // a foreign server's details may be anything; its code and message still count
  }
}

function unpack(packed: readonly rpc.Any[]): StatusDetails | undefined {
  const valueOf = (type: string): Uint8Array | undefined =>
    packed.find(({ typeUrl }) => typeUrl.endsWith(`/${type}`))?.value;

  const infoBytes = valueOf(ERROR_INFO);
  if (infoBytes === undefined) return undefined;
  const info = rpc.ErrorInfo.decode(infoBytes);
  const reason = info.domain === DOMAIN ? reasonNamed(info.reason) : undefined;
  if (reason === undefined) return undefined;

  const retryBytes = valueOf(RETRY_INFO);
  const delay = retryBytes === undefined ? undefined : rpc.RetryInfo.decode(retryBytes).retryDelay;
  const badBytes = valueOf(BAD_REQUEST);
  return {
    reason,
    facts: info.metadata,
    retryAfterMs: delay === undefined ? undefined : Number(delay.seconds) * 1000 + delay.nanos / 1e6,
    violations: badBytes === undefined ? [] : rpc.BadRequest.decode(badBytes).fieldViolations,
  };
}

/** A peer of a later version may know reasons that this one does not: undefined. */
function reasonNamed(name: string): Reason | undefined {
  const value: unknown = Object.hasOwn(Reason, name) ? Reason[name as keyof typeof Reason] : undefined;
  return typeof value === 'number' ? value : undefined;
}

function errorInfo({ reason, facts }: StatusDetails): Uint8Array {
  const metadata = Object.fromEntries(
    Object.entries(facts)
      .slice(0, ENTRIES_MAX)
      .map(([name, value]) => [name, cut(value)]),
  );
  return rpc.ErrorInfo.encode({ reason: reasonName(reason), domain: DOMAIN, metadata }).finish();
}

function retryInfo(retryAfterMs: number): Uint8Array {
  const ms = Math.max(0, Math.round(retryAfterMs));
  const retryDelay = { seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1e6 };
  return rpc.RetryInfo.encode({ retryDelay }).finish();
}

function badRequest(violations: readonly FieldViolation[]): Uint8Array {
  const fieldViolations = violations
    .slice(0, ENTRIES_MAX)
    .map(({ field, description }) => ({ field: cut(field), description: cut(description) }));
  return rpc.BadRequest.encode({ fieldViolations }).finish();
}

function pack(type: string, value: Uint8Array): rpc.Any {
  return { typeUrl: `${TYPE_PREFIX}${type}`, value };
}

function cut(text: string): string {
  return text.length > TEXT_MAX_CHARACTERS ? `${text.slice(0, TEXT_MAX_CHARACTERS - 1)}…` : text;
}
