/** What was typed is wrong. The message says what is allowed; the process ends with exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
