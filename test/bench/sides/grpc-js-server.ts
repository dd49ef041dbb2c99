import { Server, ServerCredentials, type sendUnaryData } from '@grpc/grpc-js';
import { runService } from '@bms/lifecycle';
import { NOOP_ANSWER, INFER_PATH } from '../noop-answer';

/** A rival's process: grpc-js as its documentation shows it, answering the same fixed bytes, with nothing of ours around it. */
void runService(async () => {
  const server = new Server({ 'grpc.max_receive_message_length': -1 });
  const answer = Buffer.from(NOOP_ANSWER);
  const same = (bytes: Buffer): Buffer => bytes;
  const definition = {
    infer: {
      ...{ path: INFER_PATH, requestStream: false, responseStream: false },
      ...{ requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same },
    },
  };
  server.addService(definition, {
    infer: (_call: unknown, callback: sendUnaryData<Buffer>) => callback(null, answer),
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  return { facts: { address: `127.0.0.1:${port}` }, stop: async () => server.forceShutdown() };
});
