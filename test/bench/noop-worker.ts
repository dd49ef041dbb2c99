import { parseArgs } from 'node:util';
import { runService } from '@bms/lifecycle';
import type { Routes } from '@bms/transport';
import { INFER_PATH, largeAnswer, NOOP_ANSWER, NOOP_TRAILERS } from './noop-answer';
import { parseTransport, secureWorkerServer, workerServer } from './sides/transport-server';

/**
 * A process that answers ModelInfer at once with fixed bytes: what remains of a worker when the model takes no time. Only
 * benchmarks start it; a simulated worker tells a registry of it, so that a real router sends calls here.
 */
void runService(async ({ argv }) => {
  const { values } = parseArgs({
    args: [...argv],
    options: { transport: { type: 'string' }, tls: { type: 'boolean' }, 'answer-bytes': { type: 'string' } },
  });
  const size = values['answer-bytes'];
  const answer = size === undefined ? NOOP_ANSWER : largeAnswer(Number(size));
  const routes: Routes = new Map([
    [
      INFER_PATH,
      {
        kind: 'unary',
        handle: async (_request, { trailers }) => {
          for (const name in NOOP_TRAILERS) trailers.set(name, NOOP_TRAILERS[name] as string);
          return answer;
        },
      },
    ],
  ]);
  const server =
    values.tls === true ? secureWorkerServer(routes) : workerServer(parseTransport(values.transport), routes);
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  return { facts: { address: `127.0.0.1:${port}` }, stop: () => server.close() };
});
