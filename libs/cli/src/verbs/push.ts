import { BmsError, models, parseModelName, Reason } from '@bms/contracts';
import type { PushProgress, PushResult } from '@bms/sdk';
import type { Command } from 'commander';
import type { CliContext } from '../cli-context';
import { formatBytes } from '../format-bytes';
import type { ProgressBar } from '../progress-bar';
import { readPushSource } from '../push-source';
import { signatureText } from '../signature-text';
import { indent } from '../table';
import { addVerb, type Session } from '../verb';
import { versionName } from '../version-name';
import { activate, before } from './activate';
import { setState } from './set-state';
import { readyReplicas, WAIT_TIMEOUT_MS } from './wait-for-version';

interface PushVerbOptions {
  readonly notes?: string;
  readonly config?: string;
  readonly entry?: string;
  readonly device?: string;
  readonly fallback?: string;
  readonly publish?: true;
  readonly activate?: true;
  readonly wait?: true;
}

export function addPushCommand(program: Command, context: CliContext): void {
  addVerb<PushVerbOptions>(program, context, {
    usage: 'push <name> <path>',
    summary: 'Upload an ONNX file, or a folder with one, as the next version of a model',
    group: 'Models:',
    examples: [
      'npx bms push digits model.onnx --notes "trained on Monday" --activate',
      'npx bms push digits ./export --entry digits.onnx --config serve.json --publish --wait',
    ],
    configure: (command) =>
      command
        .option('--notes <text>', 'what people should know about this version')
        .option(
          '--config <file>',
          'JSON: {"replicas": 2, "intraOpThreads": 4, "graphOptimization": "all"} (default: bms.json of the folder)',
        )
        .option('--entry <file>', 'the .onnx file to load, where the folder has several')
        .option(
          '--device <wish>',
          'where it may run: gpu, cpu, or a provider such as cuda or webgpu (default: anywhere)',
        )
        .option('--fallback <device>', 'cpu: take a CPU where the wished device is not there or cannot run it')
        .option('--publish', 'bring it to the workers')
        .option('--wait', 'publish, and wait until a worker has it ready, or cannot load it')
        .option('--activate', 'publish, wait, and make it the version that answers'),
    run: async (session, [name = '', path = ''], options) => {
      const model = parseModelName(name, 'NAME');
      const source = await readPushSource(path, options, session.signal);
      const result = await upload(session, { model, ...source, notes: options.notes ?? '' });
      session.note(describe(result));
      const outcome = await bringIn(session, result.version, options);
      session.print(
        { version: models.Version.toJSON(result.version), uploadedBytes: result.uploadedBytes, ...outcome.json },
        () => outcome.lines.join('\n'),
      );
    },
  });
}

async function upload(
  session: Session,
  what: Omit<Parameters<Session['client']['pushVersion']>[0], 'onProgress' | 'signal'>,
): Promise<PushResult> {
  const bars = new PushBars(session);
  try {
    return await session.client.pushVersion({ ...what, signal: session.signal, onProgress: (step) => bars.show(step) });
  } finally {
    bars.done();
  }
}

/** One bar per phase of a push, one after the other. */
class PushBars {
  private phase: PushProgress['phase'] | undefined;
  private bar: ProgressBar | undefined;

  constructor(private readonly session: Session) {}

  show(step: PushProgress): void {
    if (step.phase === 'waiting') {
      this.done();
      this.session.warn(`the upload broke off (${step.reason}); going on in ${(step.pauseMs / 1000).toFixed(1)} s`);
      return;
    }
    if (this.bar === undefined || step.phase !== this.phase) {
      this.done();
      this.phase = step.phase;
      this.bar = this.session.progress(step.phase);
    }
    if (step.phase === 'registering') this.bar.say();
    else this.bar.update(step.doneBytes, step.totalBytes);
  }

  done(): void {
    this.bar?.done();
  }
}

/** What is known of the new version, before it is brought to anybody. */
function describe({ version, files, uploadedBytes }: PushResult): string {
  const { artifact, signature } = version;
  const size = formatBytes(artifact?.sizeBytes ?? 0n);
  const count = files.length === 1 ? '1 file' : `${files.length} files`;
  const sent = uploadedBytes === 0 ? 'all of it was there already' : `${formatBytes(uploadedBytes)} sent`;
  const head = `${versionName(version.ref)} is registered: ${size} in ${count}, ${sent}, digest ${(artifact?.digest ?? '').slice(0, 12)}`;
  return signature === undefined ? head : `${head}\n${indent(signatureText(signature), 2)}`;
}

interface Outcome {
  readonly lines: readonly string[];
  readonly json: Readonly<Record<string, unknown>>;
}

/** Publishes, waits and activates, as far as was asked for. What fails here leaves the version registered, and says so. */
async function bringIn(session: Session, version: models.Version, options: PushVerbOptions): Promise<Outcome> {
  const { ref } = version;
  const name = versionName(ref);
  if (ref === undefined) throw new BmsError(Reason.INTERNAL, 'the registry answered without a version');
  if (!options.publish && !options.wait && !options.activate) {
    return { lines: [`Next: npx bms publish ${name} --wait`], json: { published: false } };
  }
  try {
    await setState(session, name, models.VersionState.PUBLISHED, false);
    if (!options.wait && !options.activate) {
      return {
        lines: [`${name} is published; the workers load it`, `Next: npx bms activate ${name}`],
        json: { published: true },
      };
    }
    const readyOn = await readyReplicas(session, ref, WAIT_TIMEOUT_MS);
    const ready = `${name} is published and ready on ${readyOn.join(', ')}`;
    if (!options.activate) {
      return { lines: [ready, `Next: npx bms activate ${name}`], json: { published: true, readyOn } };
    }
    const { previousVersion } = await activate(session, ref, WAIT_TIMEOUT_MS);
    return {
      lines: [ready, `${name} is active${before(ref.model, previousVersion)}`, `Next: npx bms versions ${ref.model}`],
      json: { published: true, readyOn, active: true, previousVersion: Number(previousVersion) },
    };
  } catch (error) {
    const { reason, message, violations } = BmsError.from(error);
    throw new BmsError(reason, `${name} is registered, but what follows was not done: ${message}`, {
      violations,
      cause: error,
    });
  }
}
