/** The value that `share` (0 to 1) of all are not above; of at least one. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? NaN;
}

export function mebibytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}

export function rounded(value: number, digits = 1): number {
  return Number(value.toFixed(digits));
}
