import { models } from '@bms/contracts';
import type { PullProgress, PullResult } from '@bms/sdk';
import type { Command } from 'commander';
import type { CliContext } from '../cli-context';
import { formatBytes } from '../format-bytes';
import { parseModelReference } from '../predict/model-reference';
import { addVerb, type Session } from '../verb';
import { versionName } from '../version-name';

export function addPullCommand(program: Command, context: CliContext): void {
  addVerb(program, context, {
    usage: 'pull <name@n> <folder>',
    summary: "Get a version's files back, as they were pushed",
    group: 'Models:',
    examples: [
      'npx bms pull digits@2 ./digits-2',
      'npx bms pull digits@stable ./stable',
      'npx bms pull digits ./active',
    ],
    run: async (session, [name = '', folder = '']) => {
      const result = await pull(session, { ...parseModelReference(name), folder });
      const { version } = result;
      const files = version.artifact?.files ?? [];
      session.print({ version: models.Version.toJSON(version), folder: result.folder }, () => {
        const count = files.length === 1 ? '1 file' : `${files.length} files`;
        return `${versionName(version.ref)} is in ${folder}: ${formatBytes(version.artifact?.sizeBytes ?? 0n)} in ${count}, digests checked`;
      });
    },
  });
}

async function pull(
  session: Session,
  what: Omit<Parameters<Session['client']['pullVersion']>[0], 'onProgress' | 'signal'>,
): Promise<PullResult> {
  const bar = session.progress('downloading');
  const onProgress = (step: PullProgress): void => {
    if (step.phase === 'downloading') {
      bar.update(step.doneBytes, step.totalBytes);
      return;
    }
    bar.done();
    session.warn(`the download broke off (${step.reason}); going on in ${(step.pauseMs / 1000).toFixed(1)} s`);
  };
  try {
    return await session.client.pullVersion({ ...what, signal: session.signal, onProgress });
  } finally {
    bar.done();
  }
}
