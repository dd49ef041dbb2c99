import { modelService, type models } from '@bms/contracts';
import type { Command } from 'commander';
import type { CliContext } from '../cli-context';
import { formatCount } from '../format-time';
import { stateText } from '../state-words';
import { table } from '../table';
import { addVerb } from '../verb';

export function addModelsCommand(program: Command, context: CliContext): void {
  addVerb(program, context, {
    usage: 'models',
    summary: 'List the models with their active version and labels',
    group: 'Models:',
    examples: ['npx bms models', 'npx bms models --json'],
    run: async (session) => {
      const { tenant } = session.options;
      const response = await session.client.models.listModels({ tenant }, { signal: session.signal });
      session.print(modelService.ListModelsResponse.toJSON(response), () =>
        response.models.length === 0
          ? `no models yet (tenant ${tenant})\nNext: npx bms push NAME model.onnx --activate`
          : modelTable(response.models),
      );
    },
  });
}

function modelTable(details: readonly modelService.ModelDetail[]): string {
  return table(details, [
    { title: 'MODEL', cell: ({ model }) => model?.name ?? '' },
    { title: 'ACTIVE', cell: ({ model }) => (model?.activeVersion ? `@${model.activeVersion}` : '-') },
    { title: 'LABELS', cell: ({ model }) => labelsText(model) || '-' },
    { title: 'VERSIONS', cell: versionsText },
    { title: 'ANSWERED', cell: (detail) => formatCount(sumOf(detail, 'answered')), align: 'right' },
    { title: 'FAILED', cell: (detail) => formatCount(sumOf(detail, 'failed')), align: 'right' },
  ]);
}

/** `stable=2, canary=3`. */
function labelsText(model: models.Model | undefined): string {
  return Object.entries(model?.labels ?? {})
    .map(([label, version]) => `${label}=${version}`)
    .join(', ');
}

/** `2 published, 1 offline`. */
function versionsText({ versions }: modelService.ModelDetail): string {
  const counts = new Map<string, number>();
  for (const { version } of versions) {
    const state = stateText(version?.state);
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  return [...counts].map(([state, count]) => `${count} ${state}`).join(', ') || '-';
}

function sumOf({ versions }: modelService.ModelDetail, key: 'answered' | 'failed'): bigint {
  return versions.reduce((sum, { calls }) => sum + (calls?.[key] ?? 0n), 0n);
}
