import { BmsError, Reason } from '@bms/contracts';
import { Metadata, STATUS_DETAILS } from '@bms/transport';
import * as grpc from '@grpc/grpc-js';
import { failure, type RawCall } from './incoming-call';
import { tooLarge } from './message-too-large';

/**
 * Some answers are given by grpc-js itself, in its own words and without details. Here they become ours: the
 * statuses of messages that are too large, of deadlines and of unknown methods.
 */

/** Puts our words into the statuses that grpc-js sends on `raw` by itself. */
export function explainStatuses(raw: RawCall, path: string, limitBytes: number, setting: string): void {
  const send = raw.sendStatus.bind(raw);
  raw.sendStatus = (status) => {
    const own = status.metadata?.get(STATUS_DETAILS).length;
    const error = own ? undefined : inOurWords(status, path, limitBytes, setting);
    send(error === undefined ? status : failure(error, new Metadata()));
  };
}

function inOurWords(
  { code, details }: { code: grpc.status; details: string },
  path: string,
  limitBytes: number,
  setting: string,
): BmsError | undefined {
  if (code === grpc.status.DEADLINE_EXCEEDED) {
    return new BmsError(Reason.DEADLINE_EXCEEDED, `the deadline of ${path} passed before it was answered`);
  }
  if (code === grpc.status.RESOURCE_EXHAUSTED && details.includes('larger than')) {
    return tooLarge(details, limitBytes, `raise ${setting} to allow more`);
  }
  return undefined;
}
