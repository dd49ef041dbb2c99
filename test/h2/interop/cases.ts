import assert from 'node:assert/strict';
import { BmsError, Reason } from '@bms/contracts';
import { createClient, Metadata, type CallOptions, type Channel } from '@bms/transport';
import {
  payloadOf,
  TEST_SERVICE,
  type PayloadResponse,
  type StreamingOutputRequest,
  type TestClient,
} from './test-service';

const [SIZES_IN, SIZES_OUT] = [
  [27_182, 8, 1_828, 45_904],
  [31_415, 9, 2_653, 58_979],
];
const SPECIAL = '\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \u{1F608}\t\n';
const STATUS = 'test status message';
const ECHO_TRAILER = 'x-grpc-test-echo-trailing-bin';

export type Case = (client: TestClient, channel: Channel) => Promise<void>;

/** gRPC's interoperability cases, by their names, over any channel; those about credentials and load balancing left out. */
export const CASES: Readonly<Record<string, Case>> = {
  empty_unary: async (client) => {
    await client.emptyCall({});
  },
  large_unary: async (client) => {
    const { payload } = await client.unaryCall({ response_size: 314_159, payload: payloadOf(271_828) });
    assert.equal(payload?.body.length, 314_159);
  },
  client_streaming: async (client) => {
    const { aggregated_payload_size: bytes } = await client.streamingInputCall(
      (async function* () {
        for (const size of SIZES_IN) yield { payload: payloadOf(size) };
      })(),
    );
    assert.equal(bytes, 74_922);
  },
  server_streaming: async (client) => {
    const answers = client.streamingOutputCall({ response_parameters: SIZES_OUT.map((size) => ({ size })) });
    assert.deepEqual(await sizesOf(answers), SIZES_OUT);
  },
  ping_pong: async (client) => {
    const sizes: number[] = [];
    const turns = new Turns();
    const answers = client.fullDuplexCall(turns.requests(SIZES_IN.map((size, i) => request(SIZES_OUT[i] ?? 0, size))));
    for await (const { payload } of answers) {
      sizes.push(payload?.body.length ?? 0);
      turns.next();
    }
    assert.deepEqual(sizes, SIZES_OUT);
  },
  empty_stream: async (client) => {
    assert.deepEqual(await sizesOf(client.fullDuplexCall(new Turns().requests([]))), []);
  },
  cancel_after_begin: async (client) => {
    const abort = new AbortController();
    const never = (async function* () {
      await new Promise((resolve) => abort.signal.addEventListener('abort', resolve));
      yield* [];
    })();
    const call = client.streamingInputCall(never, { signal: abort.signal });
    setTimeout(() => abort.abort(), 20);
    await fails(call, Reason.CANCELLED);
  },
  cancel_after_first_response: async (client) => {
    const abort = new AbortController();
    const answers = client.fullDuplexCall(new Turns().requests([request(31_415, 27_182), request(9, 8)]), {
      signal: abort.signal,
    });
    await fails(
      (async () => {
        for await (const { payload } of answers) {
          assert.equal(payload?.body.length, 31_415);
          abort.abort();
        }
      })(),
      Reason.CANCELLED,
    );
  },
  timeout_on_sleeping_server: async (client) => {
    const sleeping = { ...request(31_415, 27_182), response_parameters: [{ size: 31_415, interval_us: 1_000_000 }] };
    const answers = client.fullDuplexCall(new Turns().requests([sleeping]), { deadlineMs: Date.now() + 20 });
    await fails(sizesOf(answers), Reason.DEADLINE_EXCEEDED);
  },
  custom_metadata: async (client) => {
    const sent = Uint8Array.of(0xab, 0xab, 0xab);
    const received: (Uint8Array | undefined)[] = [];
    const options: CallOptions = {
      metadata: Metadata.from({ 'x-grpc-test-echo-initial': 'test_initial_metadata_value', [ECHO_TRAILER]: sent }),
      onTrailers: (trailers) => received.push(trailers.getBytes(ECHO_TRAILER)),
    };
    await client.unaryCall({ response_size: 314_159, payload: payloadOf(271_828) }, options);
    await sizesOf(client.fullDuplexCall(new Turns().requests([request(314_159, 271_828)], 1), options));
    assert.deepEqual(
      received.map((bytes) => [...(bytes ?? [])]),
      [[...sent], [...sent]],
    );
  },
  status_code_and_message: async (client) => {
    const status = { response_status: { code: 2, message: STATUS } };
    await fails(client.unaryCall(status), undefined, STATUS);
    await fails(sizesOf(client.fullDuplexCall(new Turns().requests([status], 1))), undefined, STATUS);
  },
  special_status_message: async (client) => {
    await fails(client.unaryCall({ response_status: { code: 2, message: SPECIAL } }), undefined, SPECIAL);
  },
  unimplemented_method: async (_client, channel) => {
    await fails(channel.unary('/grpc.testing.TestService/UnimplementedCall', Buffer.alloc(0)), Reason.UNIMPLEMENTED);
  },
  unimplemented_service: async (_client, channel) => {
    await fails(
      channel.unary('/grpc.testing.UnimplementedService/UnimplementedCall', Buffer.alloc(0)),
      Reason.UNIMPLEMENTED,
    );
  },
};

/** Runs one case over a channel. */
export function runCase(name: string, channel: Channel): Promise<void> {
  return (CASES[name] as Case)(createClient(TEST_SERVICE, channel), channel);
}

function request(wantedBytes: number, bodyBytes: number): StreamingOutputRequest {
  return { response_parameters: [{ size: wantedBytes }], payload: payloadOf(bodyBytes) };
}

/** Requests that follow one another as answers come. */
class Turns {
  private go: () => void = () => {};

  /** @param ahead how many answers are not waited for; at the end, the stream ends once so many are missing */
  async *requests<T>(all: readonly T[], ahead = 0): AsyncIterable<T> {
    for (const [i, one] of all.entries()) {
      const answered = new Promise<void>((resolve) => (this.go = resolve));
      yield one;
      if (i < all.length - ahead) await answered;
    }
  }

  next(): void {
    this.go();
  }
}

async function sizesOf(answers: AsyncIterable<PayloadResponse>): Promise<number[]> {
  const sizes: number[] = [];
  for await (const { payload } of answers) sizes.push(payload?.body.length ?? 0);
  return sizes;
}

/** Throws unless it fails, with this reason and this message where they are given. */
async function fails(call: Promise<unknown>, reason: Reason | undefined, message?: string): Promise<void> {
  const error = await call.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  assert.ok(error instanceof BmsError, `should have failed, and gave ${String(error)}`);
  if (reason !== undefined) assert.equal(error.reason, reason, error.message);
  if (message !== undefined) assert.equal(error.message, message);
}
