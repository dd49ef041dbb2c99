import { BmsError, Reason } from '@bms/contracts';

/** What people pushed is no model that BMS can serve; the sentence says why and what helps. */
export function invalidModel(sentence: string): BmsError {
  return new BmsError(Reason.INVALID_MODEL, sentence);
}

/** A name out of a file, fit for a message. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);
}
