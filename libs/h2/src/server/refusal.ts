import { statusOf } from '@bms/transport';
import type { Stream, StreamListener } from '../connection/stream';
import { appendStatus } from '../grpc/status-fields';

/** A request that gets no further: it is answered at once, and what still comes of it is ignored. */
abstract class Refused implements StreamListener {
  constructor(stream: Stream, answer: readonly string[]) {
    stream.stopsPeer = true;
    stream.sendHeaders(answer, true);
  }

  onHeaders(): void {}

  onData(): void {}

  onDrain(): void {}

  onReset(): void {}
}

/** Answered with a status of gRPC. */
export class Refusal extends Refused {
  constructor(stream: Stream, error: unknown) {
    const answer = [':status', '200', 'content-type', 'application/grpc'];
    appendStatus(answer, statusOf(error));
    super(stream, answer);
  }
}

/** No call of gRPC: answered in HTTP's words. */
export class HttpRefusal extends Refused {
  constructor(stream: Stream, httpStatus: 405 | 415) {
    super(stream, [':status', `${httpStatus}`, ...(httpStatus === 405 ? ['allow', 'POST'] : [])]);
  }
}
