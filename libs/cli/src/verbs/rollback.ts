import { models, parseModelName, parseVersionNumber } from '@bms/contracts';
import type { Command } from 'commander';
import type { CliContext } from '../cli-context';
import { addVerb } from '../verb';
import { whileWaiting } from '../while-waiting';
import { ACTIVATE_TIMEOUT_MS, before } from './activate';
import { ANSWER_SLACK_MS } from './wait-for-version';

interface RollbackOptions {
  readonly to?: string;
}

export function addRollbackCommand(program: Command, context: CliContext): void {
  addVerb<RollbackOptions>(program, context, {
    usage: 'rollback <name>',
    summary: 'Activate the version that was active before',
    group: 'Models:',
    examples: ['npx bms rollback digits', 'npx bms rollback digits --to 1'],
    configure: (command) => command.option('--to <n>', 'a version of the history; the one before by default'),
    run: async (session, [name = ''], { to }) => {
      const modelName = parseModelName(name, 'NAME');
      const toVersion = to === undefined ? 0n : BigInt(parseVersionNumber(to, '--to'));
      const timeoutMs = session.options.timeoutMs ?? ACTIVATE_TIMEOUT_MS;
      const call = session.client.models.rollBackModel(
        { tenant: session.options.tenant, model: modelName, toVersion, timeoutMs: BigInt(timeoutMs) },
        { deadlineMs: session.now() + timeoutMs + ANSWER_SLACK_MS, signal: session.signal },
      );
      const { model, previousVersion } = await whileWaiting(session, `rolling ${modelName} back`, call);
      session.print(
        { model: model === undefined ? null : models.Model.toJSON(model), previousVersion: Number(previousVersion) },
        () =>
          `${modelName}@${model?.activeVersion ?? '?'} is active again${before(modelName, previousVersion)}\n` +
          `Next: npx bms versions ${modelName}`,
      );
    },
  });
}
