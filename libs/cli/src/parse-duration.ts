import { UsageError } from './usage-error';

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, '': 1_000, m: 60_000, h: 3_600_000 };
const LONGEST_MS = 3_600_000;

/** `500ms`, `30s`, `2m`, `1h`; a number alone means seconds. Throws UsageError that names `option`. */
export function parseDurationMs(text: string, option: string): number {
  const match = /^([0-9]{1,8}(?:\.[0-9]{1,3})?)(ms|s|m|h|)$/.exec(text);
  const ms = match === null ? NaN : Math.round(Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? NaN));
  if (ms > 0 && ms <= LONGEST_MS) return ms;
  throw new UsageError(
    `${option} is ${JSON.stringify(text)}: a duration up to 1h is allowed, such as 500ms, 30s or 2m`,
  );
}
