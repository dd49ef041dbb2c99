import { models } from '@bms/contracts';
import type { Command } from 'commander';
import type { CliContext } from '../cli-context';
import { addVerb, type Session } from '../verb';
import { parseVersionName, versionName } from '../version-name';
import { whileWaiting } from '../while-waiting';
import { ANSWER_SLACK_MS } from './wait-for-version';

export const ACTIVATE_TIMEOUT_MS = 30_000;

export function addActivateCommand(program: Command, context: CliContext): void {
  addVerb(program, context, {
    usage: 'activate <name@n>',
    summary: 'Make a version the one that answers where a caller names none',
    group: 'Models:',
    examples: ['npx bms activate digits@2', 'npx bms activate digits@2 --timeout 2m'],
    run: async (session, [name = '']) => {
      const ref = parseVersionName(name, session.options.tenant);
      const { model, previousVersion } = await activate(session, ref, ACTIVATE_TIMEOUT_MS);
      session.print(
        { model: model === undefined ? null : models.Model.toJSON(model), previousVersion: Number(previousVersion) },
        () =>
          `${versionName(ref)} is active${before(ref.model, previousVersion)}\n${nextAfter(ref.model, previousVersion)}`,
      );
    },
  });
}

/** Activates a version once it is ready and the routers know. */
export async function activate(
  session: Session,
  ref: models.VersionRef,
  defaultTimeoutMs: number,
): Promise<{ readonly model?: models.Model | undefined; readonly previousVersion: bigint }> {
  const timeoutMs = session.options.timeoutMs ?? defaultTimeoutMs;
  const call = session.client.models.activateVersion(
    { ref, timeoutMs: BigInt(timeoutMs) },
    { deadlineMs: session.now() + timeoutMs + ANSWER_SLACK_MS, signal: session.signal },
  );
  return whileWaiting(session, `waiting for ${versionName(ref)} and the routers`, call);
}

/** What was active, where something was. */
export function before(model: string, previousVersion: bigint): string {
  return previousVersion === 0n ? '' : ` (before: ${model}@${previousVersion})`;
}

function nextAfter(model: string, previousVersion: bigint): string {
  return previousVersion === 0n ? `Next: npx bms versions ${model}` : `Next: npx bms rollback ${model} goes back`;
}
