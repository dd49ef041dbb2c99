import { setTimeout as delay } from 'node:timers/promises';
import { BmsError } from '@bms/contracts';
import { Option, type Command } from 'commander';
import { characterSetFor } from '../character-set';
import type { CliContext } from '../cli-context';
import { LOAD_DEFAULTS, parseLoadOptions, type LoadFlags, type LoadOptions } from '../load/load-options';
import { prepareLoadRequests, type LoadRequests } from '../load/load-requests';
import { runLoad, type LoadClock } from '../load/load-run';
import type { LoadOutcome } from '../load/load-tally';
import { loadViewFor } from '../load/load-view';
import { parseModelReference, referenceText } from '../predict/model-reference';
import { addVerb, type Session } from '../verb';

const WHAT_IT_DOES = `
Requests go out at the rate whether or not earlier ones are answered, and latency counts from when a request was due. Every
answer is checked: digits against what the training script measured, other models against their own first answers. It ends
with exit code 1 when a request failed or an answer was wrong. Ctrl-C ends it early, with the summary.`;

export function addLoadCommand(program: Command, context: CliContext): void {
  addVerb<LoadFlags>(program, context, {
    usage: 'load <name>',
    summary: 'Send checked requests at a fixed rate and show latency, failures, wrong answers and who answers',
    group: 'Predictions:',
    examples: ['npx bms load digits --rate 200 --seconds 60', 'npx bms load NAME@2 --input request.json --rate 20'],
    configure: (command) =>
      command
        .addOption(option('--rate <n>', 'requests a second', LOAD_DEFAULTS.rate))
        .addOption(option('--seconds <n>', 'how long', LOAD_DEFAULTS.seconds))
        .addOption(option('--concurrency-limit <n>', 'under way at once; more wait', LOAD_DEFAULTS.concurrencyLimit))
        .addOption(option('--deadline-ms <n>', 'after which a request has failed', LOAD_DEFAULTS.deadlineMs))
        .addOption(option('--attempts <n>', 'how often this client tries a request in all', LOAD_DEFAULTS.attempts))
        .option('--input <file>', 'send the request in a JSON file, in a form that "bms predict" takes')
        .addHelpText('after', WHAT_IT_DOES),
    run: async (session, [name = ''], flags) => {
      const reference = parseModelReference(name);
      const options = parseLoadOptions(flags);
      const prepared = await prepareLoadRequests(session, reference, options.input);
      const { json } = session.options;
      const title = { ...options, model: referenceText(reference) };
      const view = loadViewFor(session.terminal, { json, title, characters: characterSetFor(context.env) });
      view.start(prepared.description);
      const result = await runLoad({
        plan: { ...options, requests: Math.max(1, Math.round(options.ratePerSecond * options.seconds)) },
        clock: monotonicClock,
        send: senderOf(session, options, prepared),
        onSecond: (report) => view.second(report),
        signal: session.signal,
      });
      view.end(result, prepared.check.trustedVersions);
      const { failed, wrong } = result.total;
      if (failed + wrong > 0) throw new Error(`${failed} requests failed, ${wrong} answers were wrong`);
    },
  });
}

/** Its default is shown without the quotes that commander would put around it. */
function option(flags: string, description: string, fallback: string): Option {
  return new Option(flags, description).default(fallback, fallback);
}

function senderOf(
  { client }: Session,
  { deadlineMs, attempts }: LoadOptions,
  { requests, check }: LoadRequests,
): (index: number, dueMs: number) => Promise<LoadOutcome> {
  return async (index, dueMs) => {
    const at = index % requests.length;
    const request = requests[at];
    if (request === undefined) throw new Error('a load needs a request');
    try {
      const timeoutMs = dueMs + deadlineMs - monotonicClock.nowMs();
      const result = await client.infer(request, { timeoutMs, retry: { attempts } });
      const difference = check.difference(at, result);
      const by = { worker: result.servedBy, version: result.version, attempts: result.attempts };
      return difference === undefined ? { kind: 'right', by } : { kind: 'wrong', by, difference };
    } catch (error) {
      const { reason, message } = BmsError.from(error);
      return { kind: 'failed', reason, message };
    }
  };
}

const monotonicClock: LoadClock = {
  nowMs: () => performance.now(),
  sleep: async (ms, signal) => {
    await delay(ms, undefined, { signal }).catch(() => undefined); // only an abort makes it throw
  },
};
