/** What went wrong has been said, as the result of the verb: the process ends with 1 and no further word. */
export class SaidError extends Error {
  override readonly name = 'SaidError';
}
