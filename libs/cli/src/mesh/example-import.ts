import { existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { models } from '@bms/contracts';
import type { BmsClient } from '@bms/sdk';

export const EXAMPLE_MODEL = 'digits';

const FOLDER = resolve(__dirname, '../../../../examples/digits');
const VERSIONS = [
  { file: 'digits-v1.onnx', notes: 'softmax regression' },
  { file: 'digits-v2.onnx', notes: 'small convolutional network' },
];
const NOTES_START = 'the example: ';
/** Says that the example was imported once, so that whoever deletes it does not get it back. */
const MARK = 'example-imported';

/** Pushes, publishes and activates the digits example unless this mesh has had it before, or has a model of that name. */
export async function importExample(
  client: BmsClient,
  dataFolder: string,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const mark = join(dataFolder, MARK);
  if (existsSync(mark)) return;
  const { models: present } = await client.models.listModels({ tenant: client.tenant });
  const startedMs = performance.now();
  // A start that broke off half way is continued: a version's request id tells whether it is there.
  const foreign = present.some(
    ({ model, versions }) => model?.name === EXAMPLE_MODEL && versions.length > VERSIONS.length,
  );
  if (!foreign) {
    for (const { file, notes } of VERSIONS) await pushOne(client, file, notes, signal);
    say(
      `${EXAMPLE_MODEL.padEnd(9)} versions 1 and 2 pushed and activated (${((performance.now() - startedMs) / 1000).toFixed(1)} s)`,
    );
  }
  writeFileSync(mark, '');
}

async function pushOne(client: BmsClient, file: string, notes: string, signal: AbortSignal): Promise<void> {
  const { version } = await client.pushVersion({
    model: EXAMPLE_MODEL,
    files: [{ path: file, file: join(FOLDER, file) }],
    notes: `${NOTES_START}${notes}`,
    requestId: `example-${file}`,
    signal,
  });
  const { ref } = version;
  if (version.state !== models.VersionState.PUBLISHED) {
    await client.models.setVersionState({ ref, state: models.VersionState.PUBLISHED, force: false }, { signal });
  }
  await client.models.activateVersion({ ref, timeoutMs: 30_000n }, { signal, deadlineMs: Date.now() + 60_000 });
}
