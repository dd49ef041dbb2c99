import { models } from '@bms/contracts';
import type { Command } from 'commander';
import type { CliContext } from '../cli-context';
import { addVerb, type Session } from '../verb';
import { parseVersionName, versionName } from '../version-name';
import { whileWaiting } from '../while-waiting';
import { readyReplicas, WAIT_TIMEOUT_MS } from './wait-for-version';

const STATE_TIMEOUT_MS = 30_000;

interface PublishOptions {
  readonly wait?: true;
}

interface ForceOptions {
  readonly force?: true;
}

export function addPublishCommand(program: Command, context: CliContext): void {
  addVerb<PublishOptions>(program, context, {
    usage: 'publish <name@n>',
    summary: 'Bring a version to the workers, to be held ready',
    group: 'Models:',
    examples: ['npx bms publish digits@2 --wait'],
    configure: (command) => command.option('--wait', 'wait until a worker has it ready, or cannot load it'),
    run: async (session, [name = ''], { wait }) => {
      const version = await setState(session, name, models.VersionState.PUBLISHED, false);
      const replicas = wait === true ? await readyReplicas(session, version.ref, WAIT_TIMEOUT_MS) : undefined;
      session.print(
        { version: models.Version.toJSON(version), ...(replicas === undefined ? {} : { readyOn: replicas }) },
        () =>
          `${versionName(version.ref)} is published${replicas === undefined ? '; the workers load it' : ` and ready on ${replicas.join(', ')}`}\n` +
          `Next: npx bms activate ${versionName(version.ref)}`,
      );
    },
  });
}

export function addOfflineCommand(program: Command, context: CliContext): void {
  addVerb<ForceOptions>(program, context, {
    usage: 'offline <name@n>',
    summary: 'Take a version from the workers; it refuses predictions at once and can be published again',
    group: 'Models:',
    examples: ['npx bms offline digits@1'],
    configure: (command) => command.option('--force', 'also where it is active or labelled'),
    run: async (session, [name = ''], { force }) => {
      const version = await setState(session, name, models.VersionState.OFFLINE, force === true);
      session.print(
        { version: models.Version.toJSON(version) },
        () =>
          `${versionName(version.ref)} is offline\nNext: npx bms publish ${versionName(version.ref)} brings it back`,
      );
    },
  });
}

export function addDeleteCommand(program: Command, context: CliContext): void {
  addVerb<ForceOptions>(program, context, {
    usage: 'delete <name@n>',
    summary: 'Delete a version for good; its number is never used again',
    group: 'Models:',
    examples: ['npx bms delete digits@1'],
    configure: (command) => command.option('--force', 'also where it is active or labelled'),
    run: async (session, [name = ''], { force }) => {
      const version = await setState(session, name, models.VersionState.DELETED, force === true);
      session.print(
        { version: models.Version.toJSON(version) },
        () => `${versionName(version.ref)} is deleted\nNext: npx bms versions ${version.ref?.model ?? ''}`,
      );
    },
  });
}

/** Moves a version to a state; resolves when the routers know. */
export async function setState(
  session: Session,
  name: string,
  state: models.VersionState,
  force: boolean,
): Promise<models.Version> {
  const ref = parseVersionName(name, session.options.tenant);
  const deadlineMs = session.now() + (session.options.timeoutMs ?? STATE_TIMEOUT_MS);
  const call = session.client.models.setVersionState({ ref, state, force }, { deadlineMs, signal: session.signal });
  const { version } = await whileWaiting(session, `telling the routers about ${name}`, call);
  return version ?? models.Version.create({ ref, state });
}
