import { BmsError, modelService, parseModelName, Reason, type models } from '@bms/contracts';
import type { Command } from 'commander';
import type { CliContext } from '../cli-context';
import { formatBytes } from '../format-bytes';
import { formatAge, formatCount, formatTime } from '../format-time';
import { signatureText } from '../signature-text';
import { replicaText, stateText } from '../state-words';
import { printable, section, table } from '../table';
import { addVerb } from '../verb';

/** What people read of a digest. */
const DIGEST_SHOWN = 12;

export function addVersionsCommand(program: Command, context: CliContext): void {
  addVerb(program, context, {
    usage: 'versions <name>',
    summary: "Show a model's versions: who pushed what and when, signature, workers, calls, history",
    group: 'Models:',
    examples: ['npx bms versions digits', 'npx bms versions digits --json'],
    run: async (session, [name = '']) => {
      const request = { tenant: session.options.tenant, model: parseModelName(name, 'NAME') };
      const response = await session.client.models.getModel(request, { signal: session.signal });
      const { model: detail } = response;
      if (detail?.model === undefined) throw new BmsError(Reason.MODEL_NOT_FOUND, `there is no model ${name}`);
      const { model } = detail;
      session.print(modelService.GetModelResponse.toJSON(response), () =>
        [
          `${model.name} (tenant ${model.tenant}): ${model.activeVersion === 0n ? 'no version is active' : `@${model.activeVersion} is active`}`,
          section('Versions', versionTable(model, detail.versions)),
          ...signatureSections(detail.versions),
          section('Held by', replicaTable(detail.versions, session.now())),
          section('Not as wanted', notes(detail.versions)),
          section('Activations', activationTable(model)),
        ]
          .filter((part) => part !== '')
          .join('\n'),
      );
    },
  });
}

function versionTable(model: models.Model, details: readonly modelService.VersionDetail[]): string {
  const labels = Object.entries(model.labels);
  const labelsOf = (number: bigint | undefined): string =>
    labels.flatMap(([label, version]) => (version === number ? [label] : [])).join(', ');
  return table(details, [
    { title: 'VERSION', cell: ({ version }) => `@${version?.ref?.version ?? 0n}` },
    { title: 'STATE', cell: ({ version }) => stateText(version?.state) },
    { title: 'ACTIVE', cell: ({ version }) => (version?.ref?.version === model.activeVersion ? 'active' : '') },
    { title: 'LABELS', cell: ({ version }) => labelsOf(version?.ref?.version) },
    { title: 'PUSHED', cell: ({ version }) => formatTime(version?.createdAtMs ?? 0n) },
    { title: 'BY', cell: ({ version }) => version?.createdBy ?? '' },
    { title: 'SIZE', cell: ({ version }) => formatBytes(version?.artifact?.sizeBytes ?? 0n), align: 'right' },
    { title: 'DIGEST', cell: ({ version }) => (version?.artifact?.digest ?? '').slice(0, DIGEST_SHOWN) },
    { title: 'ANSWERED', cell: ({ calls }) => formatCount(calls?.answered ?? 0n), align: 'right' },
    { title: 'FAILED', cell: ({ calls }) => formatCount(calls?.failed ?? 0n), align: 'right' },
    { title: 'REFUSED', cell: ({ calls }) => formatCount(calls?.rejected ?? 0n), align: 'right' },
    { title: 'NOTES', cell: ({ version }) => version?.notes ?? '' },
  ]);
}

/** One section for each signature, as versions of a model mostly share it. */
function signatureSections(details: readonly modelService.VersionDetail[]): readonly string[] {
  const versionsBySignature = new Map<string, string[]>();
  for (const { version } of details) {
    if (version?.signature === undefined) continue;
    const text = signatureText(version.signature);
    versionsBySignature.set(text, [...(versionsBySignature.get(text) ?? []), `@${version.ref?.version ?? 0n}`]);
  }
  return [...versionsBySignature].map(([text, versions]) => section(`Signature of ${versions.join(', ')}`, text));
}

function replicaTable(details: readonly modelService.VersionDetail[], nowMs: number): string {
  const rows = details.flatMap(({ version, replicas }) => replicas.map((replica) => ({ version, ...replica })));
  if (rows.length === 0) return '';
  return table(rows, [
    { title: 'VERSION', cell: ({ version }) => `@${version?.ref?.version ?? 0n}` },
    { title: 'WORKER', cell: ({ workerId }) => workerId },
    { title: 'STATE', cell: ({ status }) => replicaText(status) },
    { title: 'SINCE', cell: ({ status }) => formatTime(status?.sinceMs ?? 0n) },
    { title: 'FOR', cell: ({ status }) => formatAge(status?.sinceMs ?? nowMs, nowMs), align: 'right' },
    { title: 'MEMORY', cell: ({ status }) => formatBytes(status?.memoryBytes ?? 0n), align: 'right' },
    { title: 'ANSWERED', cell: ({ calls }) => formatCount(calls?.answered ?? 0n), align: 'right' },
    { title: 'FAILED', cell: ({ calls }) => formatCount(calls?.failed ?? 0n), align: 'right' },
    { title: 'REASON', cell: ({ status }) => status?.reason ?? '' },
  ]);
}

function notes(details: readonly modelService.VersionDetail[]): string {
  return details
    .filter(({ placementNote }) => placementNote !== '')
    .map(({ version, placementNote }) => `@${version?.ref?.version ?? 0n}: ${printable(placementNote)}`)
    .join('\n');
}

/** Newest first. */
function activationTable({ activations }: models.Model): string {
  if (activations.length === 0) return '';
  return table([...activations].reverse(), [
    { title: 'WHEN', cell: ({ atMs }) => formatTime(atMs) },
    { title: 'VERSION', cell: ({ version }) => `@${version}` },
    { title: 'BY', cell: ({ by }) => by },
  ]);
}
