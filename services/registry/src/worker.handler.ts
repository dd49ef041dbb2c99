import { BmsError, workerService } from '@bms/contracts';
import { implement, type Routes } from '@bms/transport';
import { Incoming } from './streams/incoming';
import { workerFacts } from './workers/worker-messages';
import { WorkerSession, type WorkerSessionOptions } from './workers/worker-session';

export type WorkerHandlerOptions = Omit<WorkerSessionOptions, 'facts' | 'incoming' | 'signal'>;

/** WorkerService: the workers' end of the registry. */
export function workerHandler(options: WorkerHandlerOptions): Routes {
  return implement(workerService.WorkerServiceDefinition, {
    attach: async function* (requests, { signal }) {
      const incoming = new Incoming(requests);
      const { kind } = await incoming.first();
      if (kind?.$case !== 'hello') throw BmsError.invalidRequest('hello', 'must be the first message');
      yield* new WorkerSession({ ...options, facts: workerFacts(kind.value), incoming, signal }).run();
    },
  });
}
