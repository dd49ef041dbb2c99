/** What a caller may ask for at most; more is taken for this. */
export const TIMEOUT_MAX_MS = 60 * 60_000;

const DIGITS = 8;
const LARGEST = 10 ** DIGITS - 1;

/**
 * The milliseconds of a `grpc-timeout`, 0 to {@link TIMEOUT_MAX_MS}, with fractions where it is that fine; undefined where `value`
 * is none: one to eight digits and one of H, M, S, m (milli-), u (micro-) and n (nanoseconds).
 */
export function parseTimeoutMs(value: string): number | undefined {
  const last = value.length - 1;
  if (last < 1 || last > DIGITS) return undefined;
  let amount = 0;
  for (let at = 0; at < last; at++) {
    const digit = value.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    amount = amount * 10 + digit;
  }
  switch (value.charCodeAt(last)) {
    case 0x48: // H
      return Math.min(TIMEOUT_MAX_MS, amount * 3_600_000);
    case 0x4d: // M
      return Math.min(TIMEOUT_MAX_MS, amount * 60_000);
    case 0x53: // S
      return Math.min(TIMEOUT_MAX_MS, amount * 1_000);
    case 0x6d: // m
      return Math.min(TIMEOUT_MAX_MS, amount);
    case 0x75: // u
      return amount / 1_000;
    case 0x6e: // n
      return amount / 1_000_000;
    default:
      return undefined;
  }
}

/**
 * The `grpc-timeout` for what remains, rounded down: whoever is called must not believe that it has longer than its caller waits.
 * At least one nanosecond: a call without time left is to be answered, not sent.
 */
export function formatTimeout(remainingMs: number): string {
  if (remainingMs >= 1) {
    if (remainingMs <= LARGEST) return `${Math.floor(remainingMs)}m`;
    if (remainingMs <= LARGEST * 1_000) return `${Math.floor(remainingMs / 1_000)}S`;
    return `${Math.min(LARGEST, Math.floor(remainingMs / 3_600_000))}H`;
  }
  if (remainingMs >= 0.001) return `${Math.floor(remainingMs * 1_000)}u`;
  return `${Math.max(1, Math.floor(remainingMs * 1_000_000) || 0)}n`;
}
