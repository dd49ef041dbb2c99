/** `2026-11-24 04:10:11`, on this machine's clock; "" for 0, which means never. */
export function formatTime(ms: number | bigint): string {
  if (Number(ms) === 0) return '';
  const date = new Date(Number(ms));
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `41 s`, `12 min`, `5 h`, `3 d`: how long ago a moment was. */
export function formatAge(sinceMs: number | bigint, nowMs: number): string {
  const seconds = Math.max(0, Math.floor((nowMs - Number(sinceMs)) / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 2 * 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3_600) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** `12,345`. */
export function formatCount(count: number | bigint): string {
  return count.toLocaleString('en-US');
}
