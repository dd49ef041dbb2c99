import { meshService } from '@bms/contracts';
import type { Command } from 'commander';
import type { CliContext } from '../cli-context';
import { formatTime } from '../format-time';
import { SaidError } from '../said-error';
import { indent, printable } from '../table';
import { UsageError } from '../usage-error';
import { addVerb } from '../verb';
import { versionName } from '../version-name';

interface AcceptOptions {
  readonly yes?: true;
  /** `REVISION@CLUSTER`. */
  readonly found?: string;
}

export function addAcceptCommand(store: Command, context: CliContext): void {
  addVerb<AcceptOptions>(store, context, {
    usage: 'accept',
    summary: 'Take a store that is in doubt as it is, after it was wiped or restored',
    group: 'Mesh:',
    examples: ['npx bms store accept', 'npx bms store accept --yes --found 42@cdf818194e3a8c32'],
    configure: (command) =>
      command
        .option('--yes', 'do it; without it only what would be lost is shown')
        .option(
          '--found <revision@cluster>',
          'only if the store is at what was shown; without it, whatever it is at by now',
        )
        .addHelpText('after', '\nExit code: 0; 1 where the store is in doubt and --yes is not given.'),
    run: async (session, _args, { yes, found }) => {
      const { signal, options } = session;
      const { tenant } = options;
      const { storeStatus } = await session.client.mesh.getMeshStatus({ tenant }, { signal });
      const doubt = storeStatus?.doubt;
      if (doubt === undefined) {
        session.print({ accepted: false, doubt: null }, () => 'The store is not in doubt: there is nothing to accept.');
        return;
      }
      if (yes !== true) {
        session.print({ accepted: false, doubt: meshService.StoreDoubt.toJSON(doubt) }, () =>
          [doubtText(doubt), undecided(doubt)].join('\n'),
        );
        throw new SaidError('the store is in doubt');
      }
      const { foundClusterId, foundRevision } = found === undefined ? doubt : parseFound(found);
      await session.client.mesh.acceptStore({ foundClusterId, foundRevision }, { signal });
      session.print({ accepted: true, doubt: meshService.StoreDoubt.toJSON(doubt) }, () =>
        [
          `The store is taken as it is, at revision ${foundRevision} of cluster ${foundClusterId}.`,
          ...(doubt.missingVersions.length === 0
            ? []
            : [`The mesh lets go of what it does not hold: ${missing(doubt)}`]),
          'Next: npx bms status',
        ].join('\n'),
      );
    },
  });
}

function undecided({ foundRevision, foundClusterId }: meshService.StoreDoubt): string {
  const found = `--found ${foundRevision}@${foundClusterId}`;
  return `Nothing was changed: add --yes ${found} to take this store as it is, or bring the right one back.`;
}

/** Throws UsageError. */
function parseFound(text: string): meshService.AcceptStoreRequest {
  const [, revision, foundClusterId] = /^(\d{1,18})@(\S+)$/.exec(text) ?? [];
  if (revision === undefined || foundClusterId === undefined) {
    throw new UsageError(`--found ${text}: allowed is what "npx bms store accept" shows, such as 42@cdf818194e3a8c32`);
  }
  return { foundRevision: BigInt(revision), foundClusterId };
}

/** What a person needs to decide. */
export function doubtText(doubt: meshService.StoreDoubt): string {
  return [
    `The store is in doubt since ${formatTime(doubt.sinceMs)}: ${printable(doubt.reason)}.`,
    indent(`known  revision ${doubt.knownRevision} of cluster ${doubt.knownClusterId}`, 2),
    indent(`found  revision ${doubt.foundRevision} of cluster ${doubt.foundClusterId}`, 2),
    doubt.missingVersions.length === 0
      ? 'All versions that the mesh has are in the store found.'
      : `The mesh has versions that the store found has not, and would let go of them: ${missing(doubt)}`,
    'Until this is decided, what is served goes on being served and nothing can be changed.',
  ].join('\n');
}

function missing({ missingVersions }: meshService.StoreDoubt): string {
  return missingVersions.map((ref) => `${ref.tenant}/${versionName(ref)}`).join(', ');
}
