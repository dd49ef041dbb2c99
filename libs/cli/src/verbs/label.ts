import { models, parseLabel, parseModelName } from '@bms/contracts';
import type { Command } from 'commander';
import type { CliContext } from '../cli-context';
import { addVerb } from '../verb';
import { parseLabelMove } from '../version-name';
import { whileWaiting } from '../while-waiting';
import { ACTIVATE_TIMEOUT_MS } from './activate';
import { ANSWER_SLACK_MS } from './wait-for-version';

export function addLabelCommand(program: Command, context: CliContext): void {
  addVerb(program, context, {
    usage: 'label <name> <label=n>',
    summary: 'Give a version a name that callers can use; LABEL= removes it',
    group: 'Models:',
    examples: ['npx bms label digits stable=2', 'npx bms label digits stable='],
    run: async (session, [name = '', move = '']) => {
      const modelName = parseModelName(name, 'NAME');
      const { label, version } = parseLabelMove(move);
      const ref = { tenant: session.options.tenant, model: modelName, version };
      const timeoutMs = session.options.timeoutMs ?? ACTIVATE_TIMEOUT_MS;
      const call = session.client.models.setLabel(
        { ref, label: parseLabel(label, 'LABEL'), timeoutMs: BigInt(timeoutMs) },
        { deadlineMs: session.now() + timeoutMs + ANSWER_SLACK_MS, signal: session.signal },
      );
      const { model } = await whileWaiting(session, `telling the routers about ${label}`, call);
      session.print({ model: model === undefined ? null : models.Model.toJSON(model) }, () =>
        version === 0n
          ? `${modelName} has no label ${label} any more\nNext: npx bms models`
          : `${modelName}@${label} means ${modelName}@${version}\nNext: npx bms versions ${modelName}`,
      );
    },
  });
}
