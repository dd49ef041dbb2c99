import { setTimeout as pause } from 'node:timers/promises';
import { BmsError, Reason } from '@bms/contracts';
import { implement, type Routes, type ServerCall } from '@bms/transport';
import {
  payloadOf,
  TEST_SERVICE,
  type EchoStatus,
  type PayloadResponse,
  type StreamingOutputRequest,
} from './test-service';

const UNKNOWN = 2;
const ECHO_TRAILER = 'x-grpc-test-echo-trailing-bin';

/** The test service as its description wants it, but for what the transport's port does not have: initial metadata, compressed answers. */
export function testServiceRoutes(): Routes {
  return implement(TEST_SERVICE, {
    emptyCall: async () => ({}),
    unaryCall: async ({ response_size: bytes = 0, response_status: status }, call) => {
      echoMetadata(call);
      failAs(status);
      return { payload: payloadOf(bytes) };
    },
    streamingInputCall: async (requests) => {
      let bytes = 0;
      for await (const { payload } of requests) bytes += payload.body.length;
      return { aggregated_payload_size: bytes };
    },
    streamingOutputCall: (request, call) => answersTo(request, call),
    fullDuplexCall: async function* (requests, call) {
      echoMetadata(call);
      for await (const request of requests) {
        failAs(request.response_status);
        yield* answersTo(request, call);
      }
    },
  });
}

async function* answersTo(request: StreamingOutputRequest, { signal }: ServerCall): AsyncIterable<PayloadResponse> {
  for (const { size, interval_us: waitUs = 0 } of request.response_parameters ?? []) {
    if (waitUs > 0) await pause(waitUs / 1000, undefined, { signal });
    yield { payload: payloadOf(size) };
  }
}

function echoMetadata({ metadata, trailers }: ServerCall): void {
  const echo = metadata.getBytes(ECHO_TRAILER);
  if (echo !== undefined) trailers.set(ECHO_TRAILER, echo);
}

/** The tests ask for UNKNOWN only. */
function failAs(status: EchoStatus | null | undefined): void {
  if (status === undefined || status === null || status.code === 0) return;
  if (status.code !== UNKNOWN) throw BmsError.invalidRequest('response_status.code', `is ${UNKNOWN} in these tests`);
  throw new BmsError(Reason.OUTCOME_UNKNOWN, status.message);
}
